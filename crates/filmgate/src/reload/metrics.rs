//! What operators see of changes of the configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};

use super::Inputs;

/// The counters.
pub(crate) struct ReloadMetrics {
    revision: IntGauge,
    hash: IntGauge,
    reloads: IntCounterVec,
    applied_at: Gauge,
    last_successful: IntGauge,
}

impl ReloadMetrics {
    /// Registers them with `registry`, for a config that was read from `inputs`; fails if they are registered already.
    pub(crate) fn new(registry: &Registry, inputs: &Inputs) -> prometheus::Result<Self> {
        let revision = IntGauge::new(
            "filmgate_config_revision",
            "Versions of the config that were applied since the start, counting the one of the start.",
        )?;
        let hash = IntGauge::new(
            "filmgate_config_hash",
            "A number of the files that the config which counts was read from: replicas with other files have another.",
        )?;
        let reloads = IntCounterVec::new(
            Opts::new(
                "filmgate_config_reloads_total",
                "Times that the config was read again, by what came of it.",
            ),
            &["outcome"],
        )?;
        let applied_at = Gauge::new(
            "filmgate_config_applied_timestamp_seconds",
            "When the version of the config that counts was applied, in seconds since 1970.",
        )?;
        let last_successful = IntGauge::new(
            "filmgate_config_last_reload_successful",
            "Whether the config could be used when it was last read.",
        )?;
        registry.register(Box::new(revision.clone()))?;
        registry.register(Box::new(hash.clone()))?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(applied_at.clone()))?;
        registry.register(Box::new(last_successful.clone()))?;
        // Series that are there from the start can be asked for their increase.
        for outcome in ["applied", "failed", "unchanged"] {
            reloads.with_label_values(&[outcome]).reset();
        }
        let metrics = Self { revision, hash, reloads, applied_at, last_successful };
        metrics.counts(1, inputs);
        Ok(metrics)
    }

    /// That version was applied by a reload, and was read from `inputs`.
    pub(crate) fn applied(&self, revision: u64, inputs: &Inputs) {
        self.reloads.with_label_values(&["applied"]).inc();
        self.counts(revision, inputs);
    }

    /// A reload found what counts already.
    pub(crate) fn unchanged(&self) {
        self.reloads.with_label_values(&["unchanged"]).inc();
        self.last_successful.set(1);
    }

    /// A reload found what cannot be used.
    pub(crate) fn failed(&self) {
        self.reloads.with_label_values(&["failed"]).inc();
        self.last_successful.set(0);
    }

    fn counts(&self, revision: u64, inputs: &Inputs) {
        self.hash.set(inputs.number());
        self.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.applied_at.set(now.as_secs_f64());
        self.last_successful.set(1);
    }
}
