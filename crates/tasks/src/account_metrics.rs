//! What operators see of accounts: how they stand, who waits for them, and what they were before.

use std::sync::Arc;
use std::time::Duration;

use domain::{Account, AccountName};
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry};
use routing::{OutReason, Standing};

/// Waits from accept to submission in seconds: from one that nobody notices to one that asks for another account.
const WAITS_S: [f64; 10] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];

/// The metrics with an account.
pub(crate) struct AccountMetrics {
    standing: IntGaugeVec,
    retired: IntGaugeVec,
    changes: IntCounterVec,
    failovers: IntCounterVec,
    queued: IntGaugeVec,
    waits: Histogram,
}

impl AccountMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(format!("filmgate_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("filmgate_{name}"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let help = "From accept to the first submission of a task, in seconds.";
        let waits = HistogramOpts::new("filmgate_queue_seconds", help).buckets(WAITS_S.to_vec());
        let waits = Histogram::with_opts(waits)?;
        registry.register(Box::new(waits.clone()))?;
        Ok(Self {
            standing: gauge(
                "account_standing",
                "Whether an account takes submissions: 1 for how it stands.",
                &["account", "standing"],
            )?,
            retired: gauge(
                "accounts_retired",
                "Earlier addresses and credentials of accounts that tasks under way were submitted with.",
                &["account"],
            )?,
            changes: counter(
                "account_changes_total",
                "Accounts that were left alone or taken back, and why.",
                &["account", "change"],
            )?,
            failovers: counter(
                "failovers_total",
                "Tasks that went to another account, by the one that they left and why.",
                &["from", "reason"],
            )?,
            queued: gauge(
                "queue_tasks",
                "Tasks that wait for an account; one that several may serve waits for each.",
                &["account"],
            )?,
            waits,
        })
    }

    pub(crate) fn standings(&self, standings: &[(AccountName, Standing)]) {
        self.standing.reset();
        for (account, standing) in standings {
            self.standing.with_label_values(&[account.as_str(), name(*standing)]).set(1);
        }
    }

    pub(crate) fn retired(&self, accounts: &[Arc<Account>]) {
        self.retired.reset();
        for account in accounts {
            self.retired.with_label_values(&[account.name.as_str()]).inc();
        }
    }

    pub(crate) fn changed(&self, account: &AccountName, change: &str) {
        self.changes.with_label_values(&[account.as_str(), change]).inc();
    }

    pub(crate) fn failed_over(&self, from: &AccountName, reason: &str) {
        self.failovers.with_label_values(&[from.as_str(), reason]).inc();
    }

    pub(crate) fn queued(&self, lengths: &[(AccountName, usize)]) {
        for (account, len) in lengths {
            let len = i64::try_from(*len).unwrap_or(i64::MAX);
            self.queued.with_label_values(&[account.as_str()]).set(len);
        }
    }

    pub(crate) fn left_queue(&self, waited: Duration) {
        self.waits.observe(waited.as_secs_f64());
    }
}

fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "ready",
        Standing::Probe => "probe",
        Standing::Ejected { .. } => "ejected",
        Standing::Out { reason: OutReason::Credential, .. } => "out_credential",
        Standing::Out { reason: OutReason::Money, .. } => "out_money",
        Standing::Paused { .. } => "paused",
        Standing::Drained => "drained",
    }
}
