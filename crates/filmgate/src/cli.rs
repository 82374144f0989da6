//! The command line, as it is written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::Money;

use crate::ledger::LedgerOptions;

/// A self-hosted gateway for generative media: one API for videos, images and audio in front of many providers.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the gateway (also what runs without a command).
    Serve(ServeOptions),
    /// Makes one clip, picture or sound and saves it.
    Generate(GenerateOptions),
    /// Reports every problem of a config file.
    Check(ConfigOptions),
    /// Says which accounts would serve a request, in which order, and what each would be sent. Nothing is sent.
    Explain(ExplainOptions),
    /// Makes, lists and revokes client keys.
    Keys(KeysOptions),
    /// Brings the schema of the store up to date, and says what was changed.
    Migrate(MigrateOptions),
    /// Lists messages to clients' own servers, and sends dead ones again.
    Deliveries(DeliveriesOptions),
    /// Lists results that came after the end of their tasks.
    Late(LateOptions),
    /// Lists tasks that are left alone because they crash the gateway, and lets it try them again.
    Quarantine(QuarantineOptions),
    /// Shows what was set aside, spent and freed, and compares it with the bill of a provider.
    Ledger(LedgerOptions),
    /// Runs upstreams that do not exist, for trying out and for tests.
    Sandbox(SandboxOptions),
    /// Prints the JSON Schema of the config file.
    Schema,
    /// Prints the description of an API (OpenAPI 3.1).
    Openapi {
        /// Which.
        #[arg(value_enum)]
        api: Described,
    },
}

/// An API that is described.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Described {
    /// The operator's.
    Admin,
    /// The contract that clients speak.
    V2,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(ServeOptions::default())
    }
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigOptions {
    /// The config file. Without one, embedded defaults are used and the sandbox is the upstream of every model.
    #[arg(long, value_name = "FILE", env = "FILMGATE_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// Where the data is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DataOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOptions,
    /// The directory of tasks, keys and results, in place of the config's.
    #[arg(long, value_name = "DIR", env = "FILMGATE_DATA", global = true)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// Changes nothing: says what would be, and fails if that is anything.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// The address for clients, in place of the config's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// The address for the operator, in place of the config's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// What is logged, in place of the config's level: a level, or a list such as "info,tasks=debug".
    #[arg(long, value_name = "DIRECTIVES", env = "FILMGATE_LOG")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateOptions {
    /// What to make.
    pub(crate) prompt: String,
    /// The model; the scope's default if absent.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The kind of result.
    #[arg(long, default_value = "videos", value_parser = ["videos", "images", "audio"])]
    pub(crate) scope: String,
    /// An image that goes in: a file or a URL. May be repeated.
    #[arg(long = "image", value_name = "FILE|URL")]
    pub(crate) images: Vec<String>,
    /// Width to height, for instance 16:9.
    #[arg(long, value_name = "W:H")]
    pub(crate) aspect_ratio: Option<String>,
    /// Where to save the result; several results get numbers.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// The gateway. Without it: the one that serves the data directory, or one that runs just for this command.
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// The client key.
    #[arg(long, env = "FILMGATE_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The model; the scope's default if absent.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The kind of result.
    #[arg(long, default_value = "videos", value_parser = ["videos", "images", "audio"])]
    pub(crate) scope: String,
    /// What to make.
    #[arg(long, default_value = "a cat")]
    pub(crate) prompt: String,
    /// The URL of an image that goes in. May be repeated.
    #[arg(long = "image", value_name = "URL")]
    pub(crate) images: Vec<String>,
    /// Width to height, for instance 16:9.
    #[arg(long, value_name = "W:H")]
    pub(crate) aspect_ratio: Option<String>,
    /// For instance 1080p.
    #[arg(long)]
    pub(crate) resolution: Option<String>,
    /// Seconds.
    #[arg(long)]
    pub(crate) duration: Option<u32>,
    /// The name of a client key of the config, whose rules count.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// What the request's header x-filmgate-route says, for instance "cheapest, price_max=0.50".
    #[arg(long, value_name = "ITEMS")]
    pub(crate) route: Option<String>,
    /// The id of a task: what is left to chance falls as it does for this task.
    #[arg(long, value_name = "TASK")]
    pub(crate) seed: Option<String>,
    /// Prints JSON, the same as POST /admin/explain answers.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveriesOptions {
    #[command(subcommand)]
    pub(crate) action: DeliveriesAction,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesAction {
    /// Lists messages, latest first.
    List {
        /// Only those.
        #[arg(long, default_value = "dead", value_parser = ["waiting", "delivered", "dead"])]
        state: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Sends dead messages again.
    Replay {
        /// The id of one, as `list` shows it.
        id: Option<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LateOptions {
    #[command(subcommand)]
    pub(crate) action: LateAction,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LateAction {
    /// Lists them, latest first: what each cost, and where its files are.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QuarantineOptions {
    #[command(subcommand)]
    pub(crate) action: QuarantineAction,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineAction {
    /// Lists them, the worst first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Forgets the crashes of a task, so that it goes on.
    Release {
        /// The id of the task, as `list` shows it.
        task: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeysOptions {
    #[command(subcommand)]
    pub(crate) action: KeysAction,
    #[command(flatten)]
    pub(crate) data: DataOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysAction {
    /// Makes a key and prints it; it cannot be read again.
    Create {
        /// Your name for it.
        #[arg(long, default_value = "client")]
        name: String,
        /// Requests a minute, if other than the config's.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
        /// Tasks at one time, if other than the config's.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        concurrent_tasks: Option<u32>,
        /// What its tasks may cost in all, if other than the config's.
        #[arg(long, value_parser = amount)]
        budget: Option<Money>,
        /// The API that it speaks, for paths that several APIs share: evolink, apimart, openai ...
        #[arg(long, value_parser = dialect)]
        dialect: Option<String>,
    },
    /// Lists the keys, without the keys themselves.
    List,
    /// Revokes a key by the id that `list` shows.
    Revoke {
        /// For instance `key_0198...`.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SandboxOptions {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// What goes wrong, combined by commas: latency=2s, error=0.1, 429=0.2, hang, cut, garbage, never.
    #[arg(long, value_name = "FAULTS", env = "FILMGATE_SANDBOX_FAULT", default_value = "")]
    pub(crate) fault: String,
    /// Where its ledger and its media are kept.
    #[arg(long, value_name = "DIR", default_value = "filmgate-data/sandbox")]
    pub(crate) data: PathBuf,
    /// The key that it demands; without one, any will do.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// How long a generation takes, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) generation: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_not_a_number| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn amount(text: &str) -> Result<Money, String> {
    let amount = Money::parse(text).map_err(|error| error.to_string())?;
    if amount < Money::ZERO { Err("must not be negative".to_owned()) } else { Ok(amount) }
}

/// The name of an API that clients may speak.
fn dialect(name: &str) -> Result<String, String> {
    let known = || translation::DIALECTS.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(", ");
    match translation::dialect(name) {
        Some(dialect) => Ok(dialect.name().to_owned()),
        None => Err(format!("the APIs are {}", known())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_serves() {
        let cli = Cli::parse_from(["filmgate"]);
        assert!(matches!(cli.command.unwrap_or_default(), Command::Serve(_)));
    }
}
