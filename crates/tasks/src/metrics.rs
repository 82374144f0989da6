//! What operators see of tasks. Labels are names from registries and config, never what a client sent.

mod live;
mod make;

use std::time::Duration;

use domain::{FailureKind, Money, Settlement, Task, TaskState};
use prometheus::{CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};

use crate::account_metrics::AccountMetrics;
use crate::clock;
use crate::setup::Setup;

pub(crate) use live::LiveMetrics;
pub(crate) use make::{Exact, Make, gauge_value};

/// How long tasks take in seconds: from a picture that is there at once to a clip that waited for hours.
const TASKS_S: [f64; 13] =
    [1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0, 21_600.0];
/// How long the store takes to make a task durable in seconds: from a fast disk to one that is stuck.
const ACCEPTS_S: [f64; 11] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// In the place of a model that the catalogue does not have (any more).
const OTHER: &str = "other";

const FIRST_PROGRESS: (&str, &str) = (
    "task_first_progress_seconds",
    "From the accept of a task until its upstream first showed progress, or had finished, in seconds.",
);

/// The counters of this crate.
pub(crate) struct Metrics {
    accepted: IntCounterVec,
    accepts: Histogram,
    ended: IntCounterVec,
    durations: HistogramVec,
    first_progress: HistogramVec,
    submits: IntCounterVec,
    polls: IntCounterVec,
    media: MediaMetrics,
    deliveries: IntCounterVec,
    hints: IntCounterVec,
    resolutions: IntCounterVec,
    late: IntCounterVec,
    queue_full: IntCounter,
    spooled: IntGauge,
    panics: IntCounter,
    money: CounterVec,
    pub(crate) accounts: AccountMetrics,
    pub(crate) live: LiveMetrics,
}

/// What is kept of media, and what is deleted.
struct MediaMetrics {
    copies: IntCounterVec,
    left: IntCounterVec,
    stored_bytes: IntCounterVec,
    erased_bytes: IntCounter,
    swept: IntCounterVec,
}

impl MediaMetrics {
    fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            copies: make.counters(
                "result_copies_total",
                "Results copied from upstreams.",
                &["account", "outcome"],
            )?,
            left: make.counters(
                "results_left_total",
                "Results that could not be copied: clients got the upstream's own URLs, which expire.",
                &["account"],
            )?,
            stored_bytes: make.counters(
                "asset_stored_bytes_total",
                "Bytes of media that were stored, by where they came from.",
                &["source"],
            )?,
            erased_bytes: make
                .counter("asset_erased_bytes_total", "Bytes of expired media that were erased.")?,
            swept: make.counters("swept_total", "What was deleted because its time was over.", &["what"])?,
        })
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let make = Make(registry);
        let metrics = Self {
            accepted: make.counters(
                "tasks_accepted_total",
                "Tasks accepted durably.",
                &["scope", "dialect", "model"],
            )?,
            accepts: make.times(
                "store_accept_seconds",
                "How long the store took to make a new task durable, or to refuse it, in seconds.",
                &ACCEPTS_S,
            )?,
            ended: make.counters(
                "tasks_ended_total",
                "Tasks that reached an end state; reason is why they failed.",
                &["state", "reason"],
            )?,
            durations: make.times_of(
                ("task_duration_seconds", "From the accept of a task to its end, in seconds."),
                &TASKS_S,
                &["scope", "model", "account", "state"],
            )?,
            first_progress: make.times_of(
                FIRST_PROGRESS,
                &TASKS_S,
                &["account"],
            )?,
            submits: make.counters(
                "submits_total",
                "Submissions to upstreams, by what they proved.",
                &["account", "outcome"],
            )?,
            polls: make.counters(
                "polls_total",
                "Polls of upstreams, by what they said.",
                &["account", "outcome"],
            )?,
            media: MediaMetrics::new(&make)?,
            deliveries: make.counters(
                "callback_tries_total",
                "Tries to tell a client's own server; dead is the last of those that failed.",
                &["outcome"],
            )?,
            hints: make.counters("upstream_callbacks_total", "Callbacks from upstreams.", &["outcome"])?,
            resolutions: make.counters(
                "resolutions_total",
                "Looks for submissions whose answers were lost, by what was looked at and what it showed.",
                &["account", "by", "outcome"],
            )?,
            late: make.counters("late_looks_total", "Looks at upstreams of ended tasks.", &["outcome"])?,
            queue_full: make.counter(
                "queue_rejections_total",
                "Tasks that were refused because too many wait for accounts already.",
            )?,
            spooled: make.gauge(
                "spooled_handles",
                "Upstreams' ids of tasks that the store has not taken yet; they are in this replica's spool.",
            )?,
            panics: make.counter("step_panics_total", "Steps of the worker that crashed.")?,
            money: make.sums(
                "ledger_units_total",
                "Money set aside, spent and freed since the start, in units of the currency, by the ledger's kinds of rows; \
                 held is what stays set aside after the end of its task.",
                &["kind", "account"],
            )?,
            accounts: AccountMetrics::new(registry)?,
            live: LiveMetrics::new(registry)?,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Makes the series whose labels are known: what is there from the start can be asked for its increase.
    fn begin(&self) {
        for state in ["succeeded", "cancelled", "expired"] {
            self.ended.with_label_values(&[state, ""]);
        }
        for kind in [FailureKind::GenerationFailed, FailureKind::OutcomeUnknown, FailureKind::Internal] {
            self.ended.with_label_values(&["failed", &kind.name()]);
        }
        let of_one: [(&IntCounterVec, &[&str]); 5] = [
            (&self.deliveries, &["delivered", "failed", "dead"]),
            (&self.hints, &["woken", "ignored", "forged", "unknown"]),
            (&self.late, &["nothing_yet", "finished", "failed", "given_up"]),
            (&self.media.swept, &["tasks", "idempotency_keys", "daily_uses", "assets", "orphans"]),
            (&self.media.stored_bytes, &["input", "result"]),
        ];
        for (counters, values) in of_one {
            for value in values {
                counters.with_label_values(&[*value]);
            }
        }
        for kind in ["reserve", "release"] {
            self.money.with_label_values(&[kind, ""]);
        }
    }

    /// Makes the series of the accounts that are configured.
    pub(crate) fn know(&self, setup: &Setup) {
        self.accounts.know(setup);
        let of_accounts: [(&IntCounterVec, &[&str]); 3] = [
            (&self.submits, &["accepted", "rejected", "not_sent", "unknown"]),
            (&self.polls, &["running", "finished", "failed", "unclear"]),
            (&self.media.copies, &["copied", "failed"]),
        ];
        for account in setup.accounts.keys() {
            let account = account.as_str();
            for (counters, outcomes) in of_accounts {
                for outcome in outcomes {
                    counters.with_label_values(&[account, *outcome]);
                }
            }
            self.media.left.with_label_values(&[account]);
            self.first_progress.with_label_values(&[account]);
            self.resolutions.with_label_values(&[account, "search", "absent"]);
            for kind in ["capture", "late_adjustment", "held"] {
                self.money.with_label_values(&[kind, account]);
            }
        }
    }

    pub(crate) fn accepted(&self, setup: &Setup, task: &Task) {
        let (scope, model) = (task.request.scope.as_str(), model(setup, &task.request.model));
        self.accepted.with_label_values(&[scope, &*task.dialect, model]).inc();
        self.money.with_label_values(&["reserve", ""]).inc_by(units(task.quote.reserved));
    }

    /// The store has decided about a new task.
    pub(crate) fn decided(&self, after: Duration) {
        self.accepts.observe(after.as_secs_f64());
    }

    /// Counts what the end of `task` has spent and freed; without a `settlement` its money stays set aside.
    pub(crate) fn settled(&self, task: &Task, settlement: Option<Settlement>) {
        let account = account(task);
        let Some(Settlement { captured, released }) = settlement else {
            return self.money.with_label_values(&["held", account]).inc_by(units(task.quote.reserved));
        };
        if captured > Money::ZERO {
            self.money.with_label_values(&["capture", account]).inc_by(units(captured));
        }
        self.money.with_label_values(&["release", ""]).inc_by(units(released));
    }

    /// The account was paid for what it finished after the end of a task.
    pub(crate) fn adjusted(&self, task: &Task, price: Money) {
        self.money.with_label_values(&["late_adjustment", account(task)]).inc_by(units(price));
    }

    pub(crate) fn ended(&self, setup: &Setup, task: &Task) {
        let reason = match &task.state {
            TaskState::Failed { failure, .. } => failure.kind.name(),
            _ => String::new(),
        };
        let state = task.state.name();
        self.ended.with_label_values(&[state, &reason]).inc();
        let (scope, model) = (task.request.scope.as_str(), model(setup, &task.request.model));
        let took = clock::now().since(task.created_at);
        self.durations.with_label_values(&[scope, model, account(task), state]).observe(took.as_secs_f64());
    }

    /// The upstream of `task` has shown progress for the first time.
    pub(crate) fn first_progress(&self, task: &Task) {
        let took = clock::now().since(task.created_at);
        self.first_progress.with_label_values(&[account(task)]).observe(took.as_secs_f64());
    }

    pub(crate) fn submitted(&self, account: &str, outcome: &str) {
        self.submits.with_label_values(&[account, outcome]).inc();
    }

    pub(crate) fn polled(&self, account: &str, outcome: &str) {
        self.polls.with_label_values(&[account, outcome]).inc();
    }

    pub(crate) fn copied(&self, account: &str, outcome: &str) {
        self.media.copies.with_label_values(&[account, outcome]).inc();
    }

    /// So many results of `task` stay where only its upstream keeps them.
    pub(crate) fn left(&self, task: &Task, results: usize) {
        self.media.left.with_label_values(&[account(task)]).inc_by(results as u64);
    }

    /// Media was stored that came from there: `input` or `result`.
    pub(crate) fn stored(&self, source: &str, bytes: u64) {
        self.media.stored_bytes.with_label_values(&[source]).inc_by(bytes);
    }

    pub(crate) fn erased(&self, bytes: u64) {
        self.media.erased_bytes.inc_by(bytes);
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
        self.spooled.set(gauge_value(count));
    }

    pub(crate) fn looked_late(&self, outcome: &str) {
        self.late.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn swept(&self, what: &str, count: usize) {
        self.media.swept.with_label_values(&[what]).inc_by(count as u64);
    }

    pub(crate) fn queue_was_full(&self) {
        self.queue_full.inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}

/// A model as it is counted: a name that the catalogue has.
pub(crate) fn model<'a>(setup: &Setup, model: &'a str) -> &'a str {
    if setup.catalogue.get(model).is_some() { model } else { OTHER }
}

/// The account that has the task, or had it last; empty if it was never submitted.
fn account(task: &Task) -> &str {
    task.attempts.last().map_or("", |attempt| attempt.plan.account.as_str())
}

/// For graphs; the ledger itself counts exactly.
fn units(amount: Money) -> f64 {
    amount.billionths() as f64 / 1e9
}
