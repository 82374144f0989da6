//! The sections that mean what they say: the same in the file and in the checked configuration. Each bound of the
//! program has its name and its default here; the doc lines are the reference documentation.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::SecretRef;
use crate::text::{self, DurationText};

mod admin_keys;
mod egress;
mod health;
mod limits;
mod reload;
mod retention;
mod server;
mod store;
mod tasks;
mod traces;

pub use admin_keys::AdminKey;
pub use egress::Egress;
pub use health::Health;
pub use limits::{Limits, OnOutage, SharedLimits};
pub use reload::Reload;
pub use retention::Retention;
pub use server::{Server, Tls};
pub use store::{Postgres, Store};
pub use tasks::Tasks;
pub use traces::{TraceHeader, Traces};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Messages that tell clients' own servers how their tasks ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// Secrets that sign messages, newest first, as env:NAME or file:PATH: text, or base64 behind whsec_. A message carries
    /// a signature for each, so that a secret can be changed without a gap. Without any, messages are not signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["env:CALLBACK_SECRET"]]))]
    pub secrets: Vec<SecretRef>,
    /// For one try, connecting included.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub timeout: Duration,
    /// Tries of one message; after the last it is kept as dead, and can be replayed.
    #[schemars(range(min = 1))]
    pub tries_max: u32,
    /// From the first failed try to the second; doubles each time.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub retry_after: Duration,
    /// Tries at one time.
    #[schemars(range(min = 1))]
    pub at_once_max: usize,
    /// Tries at one time to one host, so that a slow receiver delays nobody else.
    #[schemars(range(min = 1))]
    pub per_host_max: usize,
    /// Whether clients may name plain http URLs.
    pub allow_http: bool,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            timeout: Duration::from_secs(10),
            tries_max: 4,
            retry_after: Duration::from_secs(1),
            at_once_max: 64,
            per_host_max: 8,
            allow_http: false,
        }
    }
}

/// How money is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// What prices and budgets are in: a label, nothing is converted.
    pub currency: String,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { currency: "USD".to_owned() }
    }
}

/// The model of a request that names none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultModels {
    /// For videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["veo3.1-fast"]))]
    pub videos: Option<String>,
    /// For images.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["studio-image"]))]
    pub images: Option<String>,
    /// For audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["studio-audio"]))]
    pub audio: Option<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Text for people, or one JSON object a line for machines.
    pub format: LogFormat,
    /// The least important level that is logged.
    pub level: LogLevel,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The levels, most important first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What may need somebody.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As it stands in the file, and in the directives of log filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Upstreams that do not exist, for trying out: they render small real media and cost nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// Start the sandbox inside this process. Adds one account for each provider, called sandbox-PROVIDER, to route to.
    pub embed: bool,
}

/// The name of the account that the embedded sandbox adds for `provider`.
pub fn sandbox_account(provider: &str) -> String {
    format!("sandbox-{provider}")
}
