//! What the gateway is, and how it does.

use std::collections::BTreeMap;

use domain::{Failure, with_sources};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operator;
use crate::shared::store_failure;

/// The gateway at a glance. What counts tasks counts those of all gateways that share the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusView {
    /// The running version.
    pub version: &'static str,
    /// How tasks are kept: `embedded` or `postgres`.
    pub store: &'static str,
    /// Seconds since this gateway started.
    pub uptime_s: u64,
    /// Counts the versions of the configuration that were applied since then, the first included.
    pub config_revision: u64,
    /// Whether it can accept tasks.
    pub is_ready: bool,
    /// Why not.
    pub problem: Option<String>,
    /// What the ledger is in.
    pub currency: String,
    /// Configured accounts.
    pub accounts: usize,
    /// Public models that some account serves.
    pub models: usize,
    /// Tasks of this gateway that wait for room at accounts; one that waits for several counts for each.
    pub waiting: usize,
    /// Tasks that have not ended, by where they stand; empty while the store does not answer.
    pub live_tasks: BTreeMap<String, u64>,
}

impl Operator {
    /// The gateway at a glance.
    pub async fn status(&self) -> Result<StatusView, Failure> {
        let shared = &self.shared;
        let setup = shared.setup.get();
        let live = match shared.store.ping().await {
            Ok(()) => shared.store.live_tasks().await,
            Err(error) => Err(error),
        };
        let problem = live.as_ref().err().map(|error| store_failure(error).internal);
        if let Err(error) = &live {
            tracing::warn!(error = with_sources(error), "the store does not say how it does");
        }
        Ok(StatusView {
            version: self.deployment.version,
            store: self.deployment.store,
            uptime_s: self.started.elapsed().as_secs(),
            config_revision: shared.setup.revision(),
            is_ready: problem.is_none(),
            problem,
            currency: self.deployment.currency.clone(),
            accounts: setup.accounts.len(),
            models: setup.catalogue.iter().filter(|model| setup.router.serves(&model.name)).count(),
            waiting: shared.waiting.lengths().into_iter().map(|(_, length)| length).sum(),
            live_tasks: live.unwrap_or_default().into_iter().collect(),
        })
    }
}
