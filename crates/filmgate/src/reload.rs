//! Reads the configuration again while the gateway runs: when it is told to, and when a file that it was read from holds
//! something else. It is checked and made into a setup off to the side, which then counts as a whole; what cannot be used
//! changes nothing.

mod at_start;
mod inputs;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use config::{Config, Reload};
use tasks::{CurrentSetup, ReloadWishes, Reloaded, Setup};

use crate::cli::ServeOptions;
use crate::source::Read;
use crate::{setup, source};
use at_start::AtStart;
use metrics::ReloadMetrics;

pub(crate) use inputs::{Inputs, Recorder};

/// A file that has changed must hold the same for so long, because some are written piece by piece.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// Keeps the setup as the configuration says.
pub(crate) struct Reloader {
    options: Arc<ServeOptions>,
    setup: CurrentSetup,
    sandbox_url: Option<String>,
    metrics: ReloadMetrics,
    /// What the start has read.
    started: AtStart,
    /// What the setup was made from.
    applied: Inputs,
    /// What was looked at last, whether or not it could be used.
    seen: Inputs,
    watch: Reload,
    revision: u64,
}

/// What a configuration says, ready to count.
struct Prepared {
    setup: Setup,
    at_start: AtStart,
    watch: Reload,
}

impl Reloader {
    /// For a gateway that was started by `options` with that configuration, and has that setup and that sandbox. Fails if
    /// its metrics are registered already.
    pub(crate) fn new(
        options: &ServeOptions,
        (config, inputs): (&Config, Inputs),
        (setup, sandbox_url): (CurrentSetup, Option<String>),
        registry: &prometheus::Registry,
    ) -> prometheus::Result<Self> {
        let metrics = ReloadMetrics::new(registry, &inputs)?;
        Ok(Self {
            options: Arc::new(options.clone()),
            setup,
            sandbox_url,
            metrics,
            started: AtStart::of(config, &inputs),
            applied: inputs.clone(),
            seen: inputs,
            watch: config.reload.clone(),
            revision: 1,
        })
    }

    /// Fulfils wishes and watches the files, for ever.
    pub(crate) async fn run(mut self, mut wishes: ReloadWishes) {
        loop {
            tokio::select! {
                Some(wish) = wishes.next() => {
                    let reloaded = self.reload().await;
                    wish.answer(reloaded);
                }
                () = changed(&self.seen, &self.watch) => {
                    self.reload().await;
                }
            }
        }
    }

    /// Reads it, and applies it if it can be used and says something else.
    async fn reload(&mut self) -> Reloaded {
        let (options, sandbox_url) = (Arc::clone(&self.options), self.sandbox_url.clone());
        let applied = self.applied.clone();
        let preparing =
            tokio::task::spawn_blocking(move || prepare(&options, sandbox_url.as_deref(), &applied));
        let (inputs, prepared) = preparing.await.expect("reading a config does not panic");
        self.seen = inputs;
        let reloaded = match prepared {
            Err(problems) => Reloaded::Failed { problems },
            Ok(None) => Reloaded::Unchanged,
            Ok(Some(prepared)) => self.apply(prepared),
        };
        self.tell(&reloaded);
        reloaded
    }

    fn apply(&mut self, Prepared { setup, at_start, watch }: Prepared) -> Reloaded {
        self.setup.replace(setup);
        self.applied = self.seen.clone();
        self.watch = watch;
        self.revision += 1;
        Reloaded::Applied { revision: self.revision, at_next_start: self.started.changed(&at_start) }
    }

    fn tell(&self, reloaded: &Reloaded) {
        match reloaded {
            Reloaded::Applied { revision, at_next_start } => {
                self.metrics.applied(*revision, &self.applied);
                tracing::info!(revision, "the config has changed and is applied");
                if !at_next_start.is_empty() {
                    let keys = at_next_start.join(", ");
                    tracing::warn!(keys, "what the config says of these takes effect at the next start");
                }
            }
            Reloaded::Unchanged => {
                self.metrics.unchanged();
                tracing::info!(
                    revision = self.revision,
                    "the config was read again and says what is applied"
                );
            }
            Reloaded::Failed { problems } => {
                self.metrics.failed();
                let problems = problems.join("\n");
                let revision = self.revision;
                tracing::error!(
                    revision,
                    "the config has changed and cannot be used; nothing has changed:\n{problems}"
                );
            }
        }
    }
}

/// Blocks. What was read, and what it says unless that is `applied`; or every problem with its place.
fn prepare(
    options: &ServeOptions,
    sandbox_url: Option<&str>,
    applied: &Inputs,
) -> (Inputs, Result<Option<Prepared>, Vec<String>>) {
    let Read { inputs, config } = source::server(options);
    let config = match config {
        Ok(config) => config,
        Err(problems) => return (inputs, Err(problems.iter().map(ToString::to_string).collect())),
    };
    if inputs == *applied {
        return (inputs, Ok(None));
    }
    // Good for a start, and at run time the end of all that is served.
    if let Some(path) = options.data.config.config.as_deref().filter(|path| inputs.holds_nothing(path)) {
        let problem = format!("{}: it is empty, as a file is that could not be written", path.display());
        return (inputs, Err(vec![problem]));
    }
    source::tell_notes(&config);
    let at_start = AtStart::of(&config, &inputs);
    let prepared = setup::build(&config, sandbox_url)
        .map(|setup| Some(Prepared { setup, at_start, watch: config.reload }))
        // What only the providers' registry can tell has no place.
        .map_err(|error| vec![format!("{error:#}")]);
    (inputs, prepared)
}

/// Ready when the files hold something else than was `seen`, and have for a moment. Never if nobody watches.
async fn changed(seen: &Inputs, watch: &Reload) {
    if watch.watch_every.is_zero() || seen.is_empty() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(watch.watch_every).await;
        let mut now = look_again(seen).await;
        while now != *seen {
            tokio::time::sleep(SETTLED_AFTER).await;
            let then = std::mem::replace(&mut now, look_again(seen).await);
            if then == now {
                return;
            }
        }
    }
}

async fn look_again(inputs: &Inputs) -> Inputs {
    let inputs = inputs.clone();
    let looking = tokio::task::spawn_blocking(move || inputs.look_again());
    looking.await.expect("reading files does not panic")
}
