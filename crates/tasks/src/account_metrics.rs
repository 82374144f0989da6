//! What operators see of accounts: how they stand, who waits for them, what they hold and what they were before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Account, AccountName};
use prometheus::{HistogramVec, IntCounterVec, Registry};
use routing::{OutReason, Standing};

use crate::metrics::{Exact, Make, gauge_value};
use crate::setup::Setup;

/// Waits from accept to submission in seconds: from one that nobody notices to one that asks for another account.
const WAITS_S: [f64; 10] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
/// All that [`name`] says.
const STANDINGS: [&str; 7] =
    ["ready", "probe", "ejected", "out_credential", "out_money", "paused", "drained"];
/// All that accounts are counted for in `filmgate_account_changes_total`.
const CHANGES: [&str; 5] = ["ejected", "out_credential", "out_money", "paused", "readmitted"];
/// Why tasks usually go elsewhere; others are counted too.
const USUAL_REASONS: [&str; 5] =
    ["generation_failed", "no_route", "upstream_auth", "upstream_busy", "upstream_quota"];

/// The metrics with an account.
pub(crate) struct AccountMetrics {
    standing: Exact,
    usable: Exact,
    retired: Exact,
    changes: IntCounterVec,
    failovers: IntCounterVec,
    queued: Exact,
    slots: Exact,
    waits: HistogramVec,
}

impl AccountMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let make = Make(registry);
        let gauges = |name, help, labels: &[&str]| make.gauges(name, help, labels).map(Exact::new);
        Ok(Self {
            standing: gauges(
                "account_standing",
                "Whether an account takes submissions: 1 for how it stands, 0 for how it does not.",
                &["account", "standing"],
            )?,
            usable: gauges(
                "model_accounts_usable",
                "Accounts of a model's route that take submissions now.",
                &["model"],
            )?,
            retired: gauges(
                "accounts_retired",
                "Earlier addresses and credentials of accounts that tasks under way were submitted with.",
                &["account"],
            )?,
            changes: make.counters(
                "account_changes_total",
                "Accounts that were left alone or taken back, and why.",
                &["account", "change"],
            )?,
            failovers: make.counters(
                "failovers_total",
                "Tasks that went to another account, by the one that they left and why.",
                &["from", "reason"],
            )?,
            queued: gauges(
                "queue_tasks",
                "Tasks that wait for an account in this process; one that several may serve waits for each.",
                &["account"],
            )?,
            slots: gauges("account_slots", "Tasks that an account may work on at one time.", &["account"])?,
            waits: make.times_of(
                ("queue_seconds", "From accept to the first submission of a task, in seconds."),
                &WAITS_S,
                &["account"],
            )?,
        })
    }

    /// Makes the series of the accounts that are configured: what is there from the start can be asked for its increase.
    pub(crate) fn know(&self, setup: &Setup) {
        for account in setup.accounts.keys().map(AccountName::as_str) {
            for change in CHANGES {
                self.changes.with_label_values(&[account, change]);
            }
            for reason in USUAL_REASONS {
                self.failovers.with_label_values(&[account, reason]);
            }
            self.waits.with_label_values(&[account]);
        }
        let slots = setup.accounts.values();
        let slots = slots.map(|account| (labels(&account.name), i64::from(account.concurrent_tasks)));
        self.slots.set(slots);
    }

    pub(crate) fn standings(&self, standings: &[(AccountName, Standing)]) {
        self.standing.set(standings.iter().flat_map(|(account, standing)| {
            STANDINGS.map(|known| {
                (vec![account.as_str().to_owned(), known.to_owned()], i64::from(known == name(*standing)))
            })
        }));
    }

    /// How many accounts of each model take submissions, with these standings.
    pub(crate) fn usable(&self, setup: &Setup, standings: &[(AccountName, Standing)]) {
        let standings: HashMap<_, _> =
            standings.iter().map(|(account, standing)| (account, *standing)).collect();
        let is_usable =
            |account: &AccountName| matches!(standings.get(account), Some(Standing::Ready | Standing::Probe));
        self.usable.set(setup.router.served().map(|(model, candidates)| {
            let mut accounts: Vec<_> = candidates.map(|candidate| &candidate.account).collect();
            accounts.sort_unstable();
            accounts.dedup();
            let usable = accounts.into_iter().filter(|account| is_usable(account)).count();
            (vec![model.to_owned()], gauge_value(usable))
        }));
    }

    /// The accounts that tasks still need, beside how many are configured by each name.
    pub(crate) fn retired(&self, setup: &Setup, accounts: &[Arc<Account>]) {
        let mut counts: HashMap<&str, i64> = setup.accounts.keys().map(|name| (name.as_str(), 0)).collect();
        for account in accounts {
            *counts.entry(account.name.as_str()).or_default() += 1;
        }
        self.retired.set(counts.into_iter().map(|(account, count)| (vec![account.to_owned()], count)));
    }

    pub(crate) fn changed(&self, account: &AccountName, change: &str) {
        self.changes.with_label_values(&[account.as_str(), change]).inc();
    }

    pub(crate) fn failed_over(&self, from: &AccountName, reason: &str) {
        self.failovers.with_label_values(&[from.as_str(), reason]).inc();
    }

    /// How many wait for each account; nobody for those that are not named.
    pub(crate) fn queued(&self, setup: &Setup, lengths: Vec<(AccountName, usize)>) {
        let mut counts: HashMap<AccountName, usize> =
            setup.accounts.keys().map(|name| (name.clone(), 0)).collect();
        counts.extend(lengths);
        self.queued.set(counts.iter().map(|(account, len)| (labels(account), gauge_value(*len))));
    }

    pub(crate) fn left_queue(&self, account: &AccountName, waited: Duration) {
        self.waits.with_label_values(&[account.as_str()]).observe(waited.as_secs_f64());
    }
}

fn labels(account: &AccountName) -> Vec<String> {
    vec![account.as_str().to_owned()]
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
