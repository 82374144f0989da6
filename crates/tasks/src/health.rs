//! How the accounts do: what is heard of them, and what that means for plans.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Account, AccountName, Failure, FailureKind, Task, Timestamp};
use routing::{AccountHealth, Begun, Candidate, Change, Condition, OutReason, Reason, Standing, Word};
use tokio::time::Instant;
use translation::SubmitOutcome;

use crate::clock;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::submit::Outcome;

/// The part of an observed time that a new one takes.
const NEW_TIME: f64 = 0.2;

/// What is known of all accounts.
#[derive(Default)]
pub(crate) struct Health {
    accounts: Mutex<HashMap<AccountName, Known>>,
    /// How many tasks of each model had their turn.
    turns: Mutex<HashMap<String, u64>>,
    /// How often the operator has drained or resumed an account here.
    drains: AtomicU64,
}

/// What is known of an account with its present address and credential.
#[derive(Default)]
struct Known {
    version: String,
    health: AccountHealth,
    is_drained: bool,
    /// How long it takes from a submission to the results, by its own name of the model.
    times: HashMap<String, Duration>,
}

impl Health {
    /// How a candidate is now.
    pub(crate) fn condition(&self, setup: &Setup, candidate: &Candidate) -> Condition {
        let Some(account) = setup.accounts.get(&candidate.account) else {
            return Condition { cannot: Some("it is not configured".to_owned()), ..Condition::default() };
        };
        let now = clock::now();
        let mut accounts = self.accounts();
        let known = of(&mut accounts, account);
        Condition {
            standing: known.health.standing(now, &setup.health),
            share: known.health.share(now, &setup.health),
            time_to_result: known.times.get(&candidate.upstream_model).copied(),
            ..Condition::default()
        }
    }

    /// Begins a submission to an account that was planned for that reason; `None` if the account takes none any more.
    pub(crate) fn begin(&self, setup: &Setup, account: &Account, reason: &Reason) -> Option<Begun> {
        let mut accounts = self.accounts();
        let health = &mut of(&mut accounts, account).health;
        if reason.last_resort {
            health.begin_last_resort(clock::now(), &setup.health)
        } else {
            health.begin(clock::now(), &setup.health)
        }
    }

    /// A submission was not made after all.
    pub(crate) fn abandon(&self, account: &Account, begun: Begun) {
        if let Some(known) =
            self.accounts().get_mut(&account.name).filter(|known| known.version == account.version)
        {
            known.health.abandon(begun);
        }
    }

    /// From now on the account takes no more.
    pub(crate) fn drain(&self, account: &Account) {
        let mut accounts = self.accounts();
        self.drains.fetch_add(1, Ordering::Relaxed);
        let known = of(&mut accounts, account);
        known.is_drained = true;
        known.health.set_drained(true);
    }

    /// How often an account was drained or resumed here.
    pub(crate) fn drains(&self) -> u64 {
        self.drains.load(Ordering::Relaxed)
    }

    /// From now on `drained` are drained, and no others; unless one was drained or resumed here since there had been `drains`
    /// of that. Which ones are not drained any more.
    pub(crate) fn set_drained(
        &self,
        setup: &Setup,
        drained: &HashSet<AccountName>,
        drains: u64,
    ) -> Vec<AccountName> {
        let mut accounts = self.accounts();
        if self.drains() != drains {
            return Vec::new();
        }
        let mut resumed = Vec::new();
        for account in setup.accounts.values() {
            let (known, is_drained) = (of(&mut accounts, account), drained.contains(&account.name));
            if known.is_drained && !is_drained {
                resumed.push(account.name.clone());
            }
            known.is_drained = is_drained;
            known.health.set_drained(is_drained);
        }
        resumed
    }

    /// From now on the account takes submissions again, whatever was heard of it before.
    pub(crate) fn resume(&self, account: &Account) {
        let mut accounts = self.accounts();
        self.drains.fetch_add(1, Ordering::Relaxed);
        let known = of(&mut accounts, account);
        known.is_drained = false;
        known.health = AccountHealth::default();
    }

    /// From now on nothing counts that was heard of the account. If it is drained, it stays so.
    pub(crate) fn reset(&self, account: &Account) {
        let mut accounts = self.accounts();
        let known = of(&mut accounts, account);
        known.health = AccountHealth::default();
        known.health.set_drained(known.is_drained);
    }

    /// How long the account lately took from a submission to the results, by its own names of models.
    pub(crate) fn times(&self, account: &AccountName) -> HashMap<String, Duration> {
        self.accounts().get(account).map(|known| known.times.clone()).unwrap_or_default()
    }

    /// How all configured accounts stand.
    pub(crate) fn standings(&self, setup: &Setup) -> Vec<(AccountName, Standing)> {
        let now = clock::now();
        let mut accounts = self.accounts();
        accounts.retain(|name, _| setup.accounts.contains_key(name));
        let standing = |account: &std::sync::Arc<Account>| {
            let standing = of(&mut accounts, account).health.standing(now, &setup.health);
            (account.name.clone(), standing)
        };
        setup.accounts.values().map(standing).collect()
    }

    /// Whose turn it is for the model; the next asker gets the next turn.
    pub(crate) fn take_turn(&self, model: &str) -> u64 {
        let mut turns = self.turns();
        match turns.get_mut(model) {
            Some(turn) => {
                *turn += 1;
                *turn - 1
            }
            None => {
                turns.insert(model.to_owned(), 1);
                0
            }
        }
    }

    /// Whose turn it is for the model.
    pub(crate) fn turn(&self, model: &str) -> u64 {
        self.turns().get(model).copied().unwrap_or(0)
    }

    fn hear(&self, setup: &Setup, account: &Account, (begun, word): (Option<Begun>, Word)) -> Option<Change> {
        let is_current = setup.accounts.get(&account.name).is_some_and(|now| now.version == account.version);
        if !is_current {
            return None;
        }
        let mut accounts = self.accounts();
        of(&mut accounts, account).health.heard(begun, word, clock::now(), &setup.health)
    }

    fn took(&self, account: &AccountName, upstream_model: &str, time: Duration) {
        let mut accounts = self.accounts();
        let Some(known) = accounts.get_mut(account) else { return };
        match known.times.entry(upstream_model.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(time);
            }
            Entry::Occupied(mut known) => {
                let mixed = known.get().mul_f64(1.0 - NEW_TIME) + time.mul_f64(NEW_TIME);
                known.insert(mixed);
            }
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountName, Known>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the account. An account that has changed is another: its new credential may be right.
fn of<'a>(accounts: &'a mut HashMap<AccountName, Known>, account: &Account) -> &'a mut Known {
    if !accounts.contains_key(&account.name) {
        let version = account.version.clone();
        accounts.insert(account.name.clone(), Known { version, ..Known::default() });
    }
    let known = accounts.get_mut(&account.name).expect("it was put there above if it was absent");
    if known.version != account.version {
        known.version.clone_from(&account.version);
        known.health = AccountHealth::default();
        known.health.set_drained(known.is_drained);
    }
    known
}

/// Learns from what a submission came to.
pub(crate) fn answered(shared: &Shared, account: &Account, begun: Begun, outcome: &Outcome) {
    let word = match outcome {
        Outcome::NotSent(_) | Outcome::Answered(SubmitOutcome::Unknown { .. }) => Word::Failed,
        Outcome::Answered(SubmitOutcome::Accepted { .. } | SubmitOutcome::Finished(_)) => Word::Succeeded,
        Outcome::Answered(SubmitOutcome::Rejected(failure)) => word(failure),
    };
    if word == Word::Succeeded {
        shared.waiting.open(&account.name);
    }
    heard(shared, account, (Some(begun), word));
}

/// Learns from how work ended that the account had taken.
pub(crate) fn failed(shared: &Shared, task: &Task, failure: &Failure) {
    if let Some(account) = task.attempt().and_then(|attempt| shared.account(&attempt.plan)) {
        heard(shared, &account, (None, word(failure)));
    }
}

/// Learns how long it took to the results.
pub(crate) fn succeeded(shared: &Shared, task: &Task) {
    if let Some(attempt) = task.attempt() {
        let time = clock::now().since(attempt.intended_at);
        shared.health.took(&attempt.plan.account, &attempt.plan.upstream_model, time);
    }
}

/// What a refusal or a failure tells of the account, not of the request.
fn word(failure: &Failure) -> Word {
    match failure.kind {
        FailureKind::UpstreamAuth => Word::Refused(OutReason::Credential),
        FailureKind::UpstreamQuota => Word::Refused(OutReason::Money),
        FailureKind::UpstreamBusy => Word::Busy { retry_after: failure.retry_after },
        FailureKind::GenerationFailed => Word::Failed,
        _ => Word::Neutral,
    }
}

fn heard(shared: &Shared, account: &Account, said: (Option<Begun>, Word)) {
    let setup = shared.setup.get();
    let Some(change) = shared.health.hear(&setup, account, said) else { return };
    let name = &account.name;
    let wait = |until: Timestamp| until.since(clock::now());
    let wait_s = |until: Timestamp| wait(until).as_secs();
    let label = match change {
        Change::Ejected { until } => {
            let wait_s = wait_s(until);
            tracing::warn!(account = %name, wait_s, "the account fails too often and is left alone: see what its upstream says");
            "ejected"
        }
        Change::Out { reason: OutReason::Credential, until } => {
            let wait_s = wait_s(until);
            tracing::warn!(account = %name, wait_s, "the account is out, its upstream refuses our credential: correct its credential");
            "out_credential"
        }
        Change::Out { reason: OutReason::Money, until } => {
            let wait_s = wait_s(until);
            tracing::warn!(account = %name, wait_s, "the account is out, it has no money left: top it up at its upstream");
            "out_money"
        }
        Change::Paused { until } => {
            let wait_s = wait_s(until);
            tracing::info!(account = %name, wait_s, "the account is busy and asked us to wait");
            "paused"
        }
        Change::Readmitted => {
            tracing::info!(account = %name, "the account works again");
            "readmitted"
        }
    };
    shared.metrics.accounts.changed(name, label);
    shared.metrics.accounts.standings(&shared.health.standings(&setup));
    match change {
        Change::Readmitted => shared.waiting.open(name),
        Change::Out { until, .. } | Change::Paused { until } => {
            shared.waiting.close(name, Instant::now() + wait(until));
        }
        // It may be the only one that can serve a task, and is tried all the same then.
        Change::Ejected { .. } => shared.waiting.close(name, Instant::now()),
    }
}
