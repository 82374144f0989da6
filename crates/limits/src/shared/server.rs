//! The connection to the server, and whether it is there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, RedisError, ScriptInvocation};

use super::settings::{SettingsError, SharedSettings};

/// Commands that wait to be written at one time; more callers wait for room, as long as for an answer.
const QUEUED_COMMANDS_MAX: usize = 1024;

/// One multiplexed connection, that is made again when it is lost. A server that failed once is away until it has been
/// told what it missed; until then nobody waits for it.
pub(super) struct Server {
    connection: ConnectionManager,
    /// Bounds a whole call: a connection that is being made, a script that must be sent first.
    call_timeout: Duration,
    is_away: AtomicBool,
    outages: AtomicU64,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The server is known to be away, and was not asked.
    Away,
    /// It was asked, and may have done it.
    Lost,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Redis(#[from] RedisError),
}

impl Server {
    /// Connects with the first call. Needs a tokio runtime.
    pub(super) fn new(settings: &SharedSettings) -> Result<Self, SettingsError> {
        let client = redis::Client::open(settings.url.as_str()).map_err(SettingsError::Url)?;
        let config = ConnectionManagerConfig::new()
            // The one who looks whether the server is back tries again.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(settings.response_timeout))
            .set_pipeline_buffer_size(QUEUED_COMMANDS_MAX);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config)
                .map_err(SettingsError::Url)?,
            call_timeout: settings.connect_timeout + settings.response_timeout,
            is_away: AtomicBool::new(false),
            outages: AtomicU64::new(0),
        })
    }

    /// Asks the server, unless it is away; it is from now on if it does not answer.
    pub(super) async fn ask<T: FromRedisValue>(&self, call: ScriptInvocation<'_>) -> Result<T, Silence> {
        if self.is_away() {
            return Err(Silence::Away);
        }
        self.call(call).await.map_err(|error| {
            self.is_lost(&error);
            Silence::Lost
        })
    }

    /// Asks the server, away or not.
    pub(super) async fn call<T: FromRedisValue>(&self, call: ScriptInvocation<'_>) -> Result<T, CallError> {
        let mut connection = self.connection.clone();
        let answer = tokio::time::timeout(self.call_timeout, call.invoke_async(&mut connection));
        Ok(answer.await.map_err(|_elapsed| CallError::Late)??)
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::SeqCst)
    }

    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self, error: &CallError) {
        if !self.is_away.swap(true, Ordering::SeqCst) {
            self.outages.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "the shared limits are away");
        }
    }

    pub(super) fn is_back(&self) {
        if self.is_away.swap(false, Ordering::SeqCst) {
            tracing::info!("the shared limits are back");
        }
    }
}
