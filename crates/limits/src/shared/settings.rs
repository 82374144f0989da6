//! What the operator decides about shared limits.

use std::num::NonZeroU32;
use std::time::Duration;

/// Where the shared limits are and what holds without them. Not printable, because the URL may hold a password.
#[derive(Clone)]
pub struct SharedSettings {
    /// `redis://[user:password@]host[:port][/database]`, or `unix:` with a path.
    pub url: String,
    /// What all keys begin with, in braces; gateways that share limits share it. Not empty, without braces.
    pub key_prefix: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How often to look whether the server answers, and in an outage whether it is back.
    pub probe_interval: Duration,
    /// What to do while it does not answer.
    pub on_outage: OnOutage,
    /// From how many keys on to forget those whose rate nobody has used lately.
    pub tracked_keys_max: usize,
}

/// What a limiter does while the shared limits are away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// Each gateway keeps its share of each limit, but lets at least one slot and one request at a time pass.
    Local {
        /// How many gateways share the limits.
        replicas: NonZeroU32,
    },
    /// Nothing passes.
    Deny,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is not a URL of a Redis or Valkey.
    #[error("the URL of the shared limits cannot be used")]
    Url(#[source] redis::RedisError),
    /// It would not be one hash tag.
    #[error("the prefix of the shared limits' keys must not be empty nor have braces: {0:?}")]
    KeyPrefix(String),
}

impl SharedSettings {
    /// Timeouts of 100 ms, a look every 500 ms, the prefix `filmgate`, and 100,000 keys.
    pub fn new(url: impl Into<String>, on_outage: OnOutage) -> Self {
        Self {
            url: url.into(),
            key_prefix: "filmgate".to_owned(),
            connect_timeout: Duration::from_millis(100),
            response_timeout: Duration::from_millis(100),
            probe_interval: Duration::from_millis(500),
            on_outage,
            tracked_keys_max: 100_000,
        }
    }

    pub(super) fn check_key_prefix(&self) -> Result<(), SettingsError> {
        if self.key_prefix.is_empty() || self.key_prefix.contains(['{', '}']) {
            return Err(SettingsError::KeyPrefix(self.key_prefix.clone()));
        }
        Ok(())
    }
}
