//! What operators see of tasks. Labels are names from registries and config, never what a client sent.

use domain::{Money, Settlement, Task, TaskState};
use prometheus::{CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::account_metrics::AccountMetrics;

/// The counters of this crate.
pub(crate) struct Metrics {
    accepted: IntCounterVec,
    ended: IntCounterVec,
    submits: IntCounterVec,
    polls: IntCounterVec,
    copies: IntCounterVec,
    deliveries: IntCounterVec,
    hints: IntCounterVec,
    resolutions: IntCounterVec,
    late: IntCounterVec,
    swept: IntCounterVec,
    spooled: IntGauge,
    quarantined: IntGauge,
    live: IntGaugeVec,
    panics: IntCounter,
    money: CounterVec,
    pub(crate) accounts: AccountMetrics,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("filmgate_{name}"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let money = CounterVec::new(
            Opts::new(
                "filmgate_ledger_units_total",
                "Money set aside, spent and freed since the start, in units of the currency, by the ledger's kinds of rows.",
            ),
            &["kind", "account"],
        )?;
        registry.register(Box::new(money.clone()))?;
        let live = IntGaugeVec::new(
            Opts::new("filmgate_tasks_live", "Tasks that have not ended, by state."),
            &["state"],
        )?;
        registry.register(Box::new(live.clone()))?;
        let panics = IntCounter::new("filmgate_step_panics_total", "Steps of the worker that crashed.")?;
        registry.register(Box::new(panics.clone()))?;
        let spooled = IntGauge::new(
            "filmgate_spooled_handles",
            "Upstreams' ids of tasks that the store has not taken yet.",
        )?;
        registry.register(Box::new(spooled.clone()))?;
        let quarantined = IntGauge::new(
            "filmgate_tasks_quarantined",
            "Live tasks with which no step is taken because they crashed their workers.",
        )?;
        registry.register(Box::new(quarantined.clone()))?;
        Ok(Self {
            accounts: AccountMetrics::new(registry)?,
            late: counter("late_looks_total", "Looks at upstreams of ended tasks.", &["outcome"])?,
            swept: counter("swept_total", "What was deleted because its time was over.", &["what"])?,
            quarantined,
            spooled,
            resolutions: counter(
                "resolutions_total",
                "Looks for submissions whose answers were lost, by what was looked at and what it showed.",
                &["account", "by", "outcome"],
            )?,
            accepted: counter("tasks_accepted_total", "Tasks accepted durably.", &["scope", "dialect"])?,
            ended: counter("tasks_ended_total", "Tasks that reached an end state.", &["state", "reason"])?,
            submits: counter(
                "submits_total",
                "Submissions to upstreams, by what they proved.",
                &["account", "outcome"],
            )?,
            polls: counter("polls_total", "Polls of upstreams, by what they said.", &["account", "outcome"])?,
            copies: counter(
                "result_copies_total",
                "Results copied from upstreams.",
                &["account", "outcome"],
            )?,
            hints: counter("upstream_callbacks_total", "Callbacks from upstreams.", &["outcome"])?,
            deliveries: counter(
                "callback_tries_total",
                "Tries to tell a client's own server.",
                &["outcome"],
            )?,
            panics,
            money,
            live,
        })
    }

    pub(crate) fn accepted(&self, task: &Task) {
        self.accepted.with_label_values(&[task.request.scope.as_str(), &task.dialect]).inc();
        self.money.with_label_values(&["reserve", ""]).inc_by(units(task.quote.reserved));
    }

    /// Counts what the end of `task` has spent and freed.
    pub(crate) fn settled(&self, task: &Task) {
        let Some(Settlement { captured, released }) = task.settlement() else { return };
        let account = task.attempt().map_or("", |attempt| attempt.plan.account.as_str());
        if captured > Money::ZERO {
            self.money.with_label_values(&["capture", account]).inc_by(units(captured));
        }
        self.money.with_label_values(&["release", ""]).inc_by(units(released));
    }

    pub(crate) fn ended(&self, state: &TaskState) {
        let reason = match state {
            TaskState::Failed { failure, .. } => failure.kind.name(),
            _ => String::new(),
        };
        self.ended.with_label_values(&[state.name(), &reason]).inc();
    }

    pub(crate) fn submitted(&self, account: &str, outcome: &str) {
        self.submits.with_label_values(&[account, outcome]).inc();
    }

    pub(crate) fn polled(&self, account: &str, outcome: &str) {
        self.polls.with_label_values(&[account, outcome]).inc();
    }

    pub(crate) fn copied(&self, account: &str, outcome: &str) {
        self.copies.with_label_values(&[account, outcome]).inc();
    }

    pub(crate) fn delivery_tried(&self, outcome: &str) {
        self.deliveries.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn hinted(&self, outcome: &str) {
        self.hints.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn resolved(&self, account: &str, by: &str, outcome: &str) {
        self.resolutions.with_label_values(&[account, by, outcome]).inc();
    }

    pub(crate) fn spooled(&self, count: usize) {
        self.spooled.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn looked_late(&self, outcome: &str) {
        self.late.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn swept(&self, what: &str, count: usize) {
        self.swept.with_label_values(&[what]).inc_by(count as u64);
    }

    pub(crate) fn quarantined(&self, count: usize) {
        self.quarantined.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn live(&self, counts: &[(String, u64)]) {
        self.live.reset();
        for (state, count) in counts {
            self.live.with_label_values(&[state]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }
}

/// For graphs; the ledger itself counts exactly.
fn units(amount: Money) -> f64 {
    amount.billionths() as f64 / 1e9
}
