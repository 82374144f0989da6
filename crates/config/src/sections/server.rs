//! The section on how clients reach the gateway.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdminKey, KIB, MIB, MINUTE};
use crate::environment::SecretRef;
use crate::text::{self, DurationText, SizeText};

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
    /// Further keys for /admin/, each with what it may do there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admin_keys: Vec<AdminKey>,
    /// Where clients and upstreams reach this gateway from outside; links to results begin with it.
    /// Without it the Host of each request is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["https://media.example.com"]))]
    pub public_url: Option<String>,
    /// Whether providers are told to call this gateway when something has happened. Only with a public_url; polls decide
    /// either way, callbacks make them come sooner.
    pub upstream_callbacks: bool,
    /// The key of the addresses that providers are told, as env:NAME or file:PATH; at least 24 characters. Gateways that
    /// share a store need the same one. Without it, a key is made in data_dir at the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["env:CALLBACK_KEY"]))]
    pub callback_key: Option<SecretRef>,
    /// A certificate, to speak HTTPS. Without it the gateway speaks plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// A certificate for the operator's address. Without it that address speaks plain HTTP, whatever clients are spoken to in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_tls: Option<Tls>,
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
    /// After a stop was asked for, /readyz fails at once, and connections are accepted on for this long: until a load
    /// balancer has noticed.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub drain_delay: Duration,
    /// For requests in flight to end after drain_delay.
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
            admin_keys: Vec::new(),
            public_url: None,
            upstream_callbacks: true,
            callback_key: None,
            tls: None,
            admin_tls: None,
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
            drain_delay: Duration::ZERO,
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
