//! What operators see of the store, and of all that is live in it. With several replicas each tells of the whole database.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::AccountName;
use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use store::LiveSummary;

use super::{Exact, Make, gauge_value, model};
use crate::setup::Setup;

/// The states of tasks that have not ended.
const LIVE_STATES: [&str; 5] = ["queued", "submitting", "unknown", "running", "collecting"];
/// Series that stay at 0 when nothing of theirs is live; of more, those vanish.
const SERIES_MAX: usize = 5_000;

/// The gauges that are read from the store, and what the way out has refused.
pub(crate) struct LiveMetrics {
    up: IntGauge,
    ping: Gauge,
    tasks: IntGaugeVec,
    detailed: Exact,
    /// What was told of `detailed` last: state, scope, model, account.
    seen: Mutex<BTreeMap<[String; 4], u64>>,
    slots: Exact,
    due: IntGauge,
    lag: Gauge,
    at_risk: IntGauge,
    quarantined: IntGauge,
    callbacks_waiting: IntGauge,
    callbacks_dead: IntGauge,
    refusals: IntCounterVec,
}

impl LiveMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let make = Make(registry);
        let metrics = Self {
            up: make.gauge("store_up", "Whether the store answered when this replica last asked it.")?,
            ping: make.measure("store_ping_seconds", "How long the store's last answer took, in seconds.")?,
            tasks: make.shared_gauges("tasks_live", "Tasks that have not ended, by state.", &["state"])?,
            detailed: Exact::new(make.shared_gauges(
                "tasks_live_detailed",
                "Tasks that have not ended, by what they are and the account that may be at work on them (empty: none).",
                &["state", "scope", "model", "account"],
            )?),
            seen: Mutex::default(),
            slots: Exact::new(make.shared_gauges(
                "account_slots_in_use",
                "Tasks that an account may be at work on.",
                &["account"],
            )?),
            due: make.shared_gauge(
                "backlog_tasks",
                "Tasks whose next step is due and that no replica has taken up yet.",
            )?,
            lag: make.shared_measure(
                "backlog_lag_seconds",
                "For how long the oldest step that is due has waited for a replica, in seconds.",
            )?,
            at_risk: make.shared_gauge(
                "results_at_risk",
                "Finished tasks whose results only their upstreams keep, and which could not be copied for a while.",
            )?,
            quarantined: make.shared_gauge(
                "tasks_quarantined",
                "Live tasks with which no step is taken because they crashed their workers.",
            )?,
            callbacks_waiting: make.shared_gauge(
                "callbacks_waiting",
                "Messages to clients' own servers that are still to be received.",
            )?,
            callbacks_dead: make.shared_gauge(
                "callbacks_dead",
                "Messages to clients' own servers that were given up and are kept for you to replay.",
            )?,
            refusals: make.counters(
                "egress_refusals_total",
                "URLs that clients or upstreams chose and that were not called, by what was refused.",
                &["what"],
            )?,
        };
        for state in LIVE_STATES {
            metrics.tasks.with_label_values(&[state]);
        }
        Ok(metrics)
    }

    /// What the store's last answer took; nothing if there was none.
    pub(crate) fn pinged(&self, took: Option<Duration>) {
        self.up.set(i64::from(took.is_some()));
        if let Some(took) = took {
            self.ping.set(took.as_secs_f64());
        }
    }

    /// What the way out has refused since the start.
    pub(crate) fn refused(&self, totals: impl IntoIterator<Item = (&'static str, u64)>) {
        for (what, total) in totals {
            let counter = self.refusals.with_label_values(&[what]);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    pub(crate) fn summarised(&self, setup: &Setup, summary: &LiveSummary) {
        for state in LIVE_STATES {
            let of_state = summary.tasks.iter().filter(|live| live.state == state);
            let count: u64 = of_state.map(|live| live.count).sum();
            self.tasks.with_label_values(&[state]).set(gauge_value(count));
        }
        self.detail(setup, summary);
        self.occupy(setup, summary);
        self.due.set(gauge_value(summary.due));
        self.lag.set(summary.due_for.as_secs_f64());
        self.at_risk.set(gauge_value(summary.uncopied));
        self.quarantined.set(gauge_value(summary.crashing));
        self.callbacks_waiting.set(gauge_value(summary.messages_waiting));
        self.callbacks_dead.set(gauge_value(summary.messages_dead));
    }

    fn detail(&self, setup: &Setup, summary: &LiveSummary) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |account: &str| setup.accounts.contains_key(&AccountName::new(account));
        seen.retain(|[_, _, of, account], _| {
            (model(setup, of) == of) && (account.is_empty() || is_known(account))
        });
        seen.values_mut().for_each(|count| *count = 0);
        // So that there is something to see of each model before its first task.
        for (model, _) in setup.router.served().take(SERIES_MAX) {
            if let Some(spec) = setup.catalogue.get(model) {
                seen.entry(["queued", spec.scope.as_str(), model, ""].map(str::to_owned)).or_default();
            }
        }
        for live in &summary.tasks {
            let account = live.account.as_ref().map_or("", |account| account.as_str());
            let key = [&*live.state, &*live.scope, model(setup, &live.model), account].map(str::to_owned);
            *seen.entry(key).or_default() += live.count;
        }
        if seen.len() > SERIES_MAX {
            seen.retain(|_, count| *count > 0);
        }
        self.detailed.set(seen.iter().map(|(key, count)| (key.to_vec(), gauge_value(*count))));
    }

    fn occupy(&self, setup: &Setup, summary: &LiveSummary) {
        let mut counts: BTreeMap<&str, u64> = setup.accounts.keys().map(|name| (name.as_str(), 0)).collect();
        for live in &summary.tasks {
            if let Some(account) = &live.account {
                *counts.entry(account.as_str()).or_default() += live.count;
            }
        }
        let series =
            counts.into_iter().map(|(account, count)| (vec![account.to_owned()], gauge_value(count)));
        self.slots.set(series);
    }
}
