//! The connections, and what is known of the database's health.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime};

use super::connect::{self, Connecting};
use super::session::Session;
use super::settings::{PostgresClock, PostgresSettings};
use crate::StoreError;

/// How long nobody tries to connect after a failure: meanwhile callers are refused at once.
const PAUSE: Duration = Duration::from_millis(250);

/// Connections that are shared.
#[derive(Debug)]
pub(super) struct Pool {
    connections: deadpool_postgres::Pool,
    clock: PostgresClock,
    statement_timeout: Duration,
    outage: Mutex<Option<Outage>>,
    is_probing: AtomicBool,
}

/// The database does not let us in.
#[derive(Debug)]
struct Outage {
    try_again_at: Instant,
    reason: String,
}

impl Pool {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let Connecting { config, tls } = connect::plan(settings)?;
        let manager =
            Manager::from_config(config, tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let (timeout, allow_unsafe) = (settings.statement_timeout, settings.allow_unsafe_server);
        let set_up = Hook::async_fn(move |client, _| {
            Box::pin(async move {
                connect::set_up(client, timeout, allow_unsafe)
                    .await
                    .map_err(|e| HookError::message(e.to_string()))
            })
        });
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(settings.connections_max.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.acquire_timeout))
            .create_timeout(Some(settings.connect_timeout))
            .post_create(set_up)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            connections,
            clock: settings.clock.clone(),
            statement_timeout: settings.statement_timeout,
            outage: Mutex::default(),
            is_probing: AtomicBool::new(false),
        })
    }

    /// A connection; [`StoreError::Unavailable`] if there is none in time. While the database is known to be away, only
    /// one caller at a time waits to find out whether it is back; the others are refused at once.
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        let probe = self.pass()?;
        let client = self.connections.get().await;
        drop(probe);
        match client {
            Ok(client) => {
                *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(Session::new(client, self.clock.clone(), self.statement_timeout))
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Whether one may wait for a connection now.
    fn pass(&self) -> Result<Option<Probe<'_>>, StoreError> {
        let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outage) = outage.as_ref() else { return Ok(None) };
        if Instant::now() >= outage.try_again_at && !self.is_probing.swap(true, Ordering::AcqRel) {
            return Ok(Some(Probe(&self.is_probing)));
        }
        Err(StoreError::Unavailable(outage.reason.clone()))
    }

    fn refused(&self, error: &PoolError) -> StoreError {
        let reason = match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                return StoreError::Unavailable("all connections to the database are in use".into());
            }
            PoolError::Timeout(_) => "the database does not answer".to_owned(),
            PoolError::PostCreateHook(error) => error.to_string(),
            PoolError::Backend(error) => super::failure::in_full(error),
            PoolError::Closed | PoolError::NoRuntimeSpecified => error.to_string(),
        };
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if outage.is_none() {
            tracing::error!(reason, "the database is away");
        }
        *outage = Some(Outage { try_again_at: Instant::now() + PAUSE, reason: reason.clone() });
        StoreError::Unavailable(reason)
    }
}

/// The one caller who finds out whether the database is back.
struct Probe<'a>(&'a AtomicBool);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
