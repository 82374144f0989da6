//! The sections that mean what they say: the same in the file and in the checked configuration. Each bound of the
//! program has its name and its default here; the doc lines are the reference documentation.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::SecretRef;
use crate::text::{self, DurationText, SizeText};

mod egress;
mod health;
mod limits;
mod reload;
mod retention;
mod tasks;

pub use egress::Egress;
pub use health::Health;
pub use limits::{Limits, OnOutage, SharedLimits};
pub use reload::Reload;
pub use retention::Retention;
pub use tasks::Tasks;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How clients reach the gateway, and how much they may ask of it at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address for clients.
    #[serde(deserialize_with = "text::address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The address for the operator: /metrics, /livez, /readyz. Never give it to clients.
    #[serde(deserialize_with = "text::address")]
    #[schemars(with = "String")]
    pub admin_listen: SocketAddr,
    /// The operator's own key, for /admin/ on that address; at least 24 characters. Without it, and without
    /// FILMGATE_ADMIN_KEY in the environment, that API refuses everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["env:ADMIN_KEY"]))]
    pub admin_key: Option<SecretRef>,
    /// Where clients and upstreams reach this gateway from outside; links to results begin with it.
    /// Without it the Host of each request is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["https://media.example.com"]))]
    pub public_url: Option<String>,
    /// Whether providers are told to call this gateway when something has happened. Only with a public_url; polls decide
    /// either way, callbacks make them come sooner.
    pub upstream_callbacks: bool,
    /// A certificate, to speak HTTPS. Without it the gateway speaks plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Connections at one time; more wait to be accepted.
    #[schemars(range(min = 1))]
    pub connections_max: usize,
    /// Requests at one time on one HTTP/2 connection.
    #[schemars(range(min = 1))]
    pub streams_max: u32,
    /// The largest head of a request, from 8KiB to 1MiB.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub head_bytes_max: u64,
    /// From the opening of a connection to its first byte, TLS handshake included.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub first_byte_timeout: Duration,
    /// For the headers of a request, from their first byte.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub header_timeout: Duration,
    /// For the body of a request. Grows by a second for every body_bytes_per_second_min that have arrived.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub body_timeout: Duration,
    /// A body that arrives more slowly than this is given up once body_timeout is used up.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub body_bytes_per_second_min: u64,
    /// For a request from its headers to its answer, without the time in which its body arrives.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub request_timeout: Duration,
    /// For a request that waits for its task; the task goes on when it has waited for so long.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub wait_timeout: Duration,
    /// Requests that wait for their task at one time; more do not wait.
    #[schemars(range(min = 1))]
    pub waits_max: usize,
    /// Event streams at one time; more are refused. Over HTTP/1 each takes one of connections_max.
    #[schemars(range(min = 1))]
    pub events_max: usize,
    /// An event stream without an event carries a sign of life after this long, and no later than half of
    /// idle_timeout.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub events_keep_alive: Duration,
    /// An event stream ends after this long; its client comes back for the rest.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub events_timeout: Duration,
    /// A connection without a request is closed after this long.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub idle_timeout: Duration,
    /// The largest body of one request.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub body_bytes_max: u64,
    /// Bodies of all requests together that are held in memory; requests beyond it are refused.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub buffered_bytes_max: u64,
    /// Requests at one time, without those that wait for their task; more are refused.
    #[schemars(range(min = 1))]
    pub requests_in_flight_max: usize,
    /// For requests in flight to end after a stop was asked for.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub drain_timeout: Duration,
    /// Origins whose pages may call the gateway from a browser; "*" stands for all.
    pub cors_origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            admin_key: None,
            public_url: None,
            upstream_callbacks: true,
            tls: None,
            connections_max: 10_000,
            streams_max: 128,
            head_bytes_max: 64 * KIB,
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            body_bytes_per_second_min: 32 * KIB,
            request_timeout: Duration::from_secs(75),
            wait_timeout: MINUTE * 10,
            waits_max: 10_000,
            events_max: 10_000,
            events_keep_alive: Duration::from_secs(15),
            events_timeout: MINUTE * 60,
            idle_timeout: Duration::from_secs(75),
            body_bytes_max: 64 * MIB,
            buffered_bytes_max: 512 * MIB,
            requests_in_flight_max: 4096,
            drain_timeout: Duration::from_secs(30),
            cors_origins: vec!["*".to_owned()],
        }
    }
}

/// A certificate and its key, both PEM. Relative paths start at the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cert_file", "key_file"]))]
pub struct Tls {
    /// The certificate, followed by those that lead to its root.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(extend("examples" = ["/etc/filmgate/tls/tls.crt"]))]
    pub cert_file: PathBuf,
    /// The private key.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(extend("examples" = ["/etc/filmgate/tls/tls.key"]))]
    pub key_file: PathBuf,
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Writes that may wait for the writer; more are refused.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// Waiting writes that share one transaction and one fsync.
    #[schemars(range(min = 1))]
    pub batch_max: usize,
    /// The write-ahead log is folded into the database when it has grown to this.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub wal_bytes_max: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self { queue_max: 10_000, batch_max: 512, wal_bytes_max: 64 * MIB }
    }
}

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
