//! The bounds of the way in. Each has a name in the config, where its default stands.

use std::sync::Arc;
use std::time::Duration;

/// How a listener behaves. Two settings are connected: a body counts twice against `buffered_bytes_max`, so that must
/// be at least twice `body_bytes_max`, or the largest bodies are never accepted.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients reach this gateway: `https://gateway.example.com`. Without it, links are made from what the
    /// client asked for.
    pub public_url: Option<String>,
    /// Origins whose scripts may call: `https://app.example.com`, or `*` for all. Empty means none.
    pub cors_origins: Vec<String>,
    /// With it, every connection must speak TLS; see [`crate::tls::load`].
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at one time. More wait in the kernel's queue.
    pub connections_max: usize,
    /// From accept to the bytes that tell the protocol, with the TLS handshake.
    pub first_byte_timeout: Duration,
    /// From the first to the last byte of an HTTP/1 request head.
    pub header_timeout: Duration,
    /// How long a connection may stay on which no request is under way and nothing moves: idle, or with a client that
    /// does not read its answer.
    pub idle_timeout: Duration,
    /// From the request head to the answer's head, without the time that the body takes to arrive.
    pub request_timeout: Duration,
    /// How long a request may wait for its task, besides that.
    pub wait_timeout: Duration,
    /// Requests that wait for their task at one time; more are answered as their tasks stand.
    pub waits_max: usize,
    /// Event streams at one time; more are refused.
    pub events_max: usize,
    /// How long an event stream may be silent; if half of `idle_timeout` is less, that counts.
    pub events_keep_alive: Duration,
    /// How long an event stream may be; its client comes back for the rest.
    pub events_timeout: Duration,
    /// From the moment we want the body to its end; longer for a body that keeps coming at a sensible pace.
    pub body_timeout: Duration,
    /// The largest request body.
    pub body_bytes_max: u64,
    /// Request bodies in memory at one time, all together.
    pub buffered_bytes_max: u64,
    /// Requests that are being answered at one time, without those that wait for their task.
    pub requests_in_flight_max: usize,
    /// Wrong keys a minute from one address, at least 1; more are not looked at.
    pub wrong_keys_per_minute: u32,
    /// Addresses with wrong keys that are remembered at one time.
    pub tracked_addresses_max: usize,
    /// The pace at which a body may take longer than `body_timeout`: each second buys so many bytes another one.
    /// At least 1.
    pub body_bytes_per_second_min: u64,
    /// The largest request head.
    pub head_bytes_max: u32,
    /// Requests at one time on one HTTP/2 connection.
    pub streams_max: u32,
    /// From the wish to stop, which readiness tells at once, to the end of the accept loop: until whoever sends clients here
    /// has noticed.
    pub drain_delay: Duration,
    /// From there to the end of all connections.
    pub drain_timeout: Duration,
}

// Bounds that nobody has had a reason to change. One who has gives them a name in the config.

/// HTTP/2 streams that a client opened and reset before we answered; beyond it the connection ends (rapid reset).
pub(crate) const RESET_STREAMS_MAX: usize = 64;
/// What one connection may hold of replies that its client does not read.
pub(crate) const SEND_BYTES_MAX: usize = 128 * 1024;
/// How much of an unwanted body is read and thrown away so that its sender sees why: any body that we would accept
/// by default, and half as much again.
pub(crate) const DISCARD_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// How long that may take.
pub(crate) const DISCARD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the accept loop rests when the process has no descriptors or memory for another connection.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);
