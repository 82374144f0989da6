//! The slots that live tasks hold: of their clients from accept to end, of accounts and providers while those may work on
//! them. The store's rows are the truth: after a restart, slots are counted from them; and each is a lease that is renewed
//! while its task lives, so that none outlasts its process for long.
//!
//! Where several processes work on one store, whoever ends a task frees its slots, wherever they were taken: what they are
//! can be told from the task. What a process holds for tasks that others have ended it finds in `reconcile.rs`.

mod reconcile;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Account, AccountName, Client, OwnerId, ProviderLimits, Task, TaskId};
use limits::{Holding, LimitKey, Limiter, SlotVerdict};
use store::LiveHolding;
use tokio::time::Instant;

use crate::Writers;
use crate::setup::Setup;

/// For how long a slot is held without a renewal.
const LEASE: Duration = Duration::from_secs(600);

/// The same where others take slots that this process does not hear of.
const RECONCILE_ALONE_COUNTED_AFTER: Duration = Duration::from_secs(15);

/// What the tasks of this process hold; where there are several, what all tasks hold, as far as it is known here.
pub(crate) struct Slots {
    limiter: Arc<dyn Limiter>,
    writers: Writers,
    held: Mutex<HashMap<TaskId, Held>>,
    renewed_at: Mutex<Instant>,
}

/// What one task holds.
#[derive(Default)]
struct Held {
    of_client: Part,
    of_account: Part,
}

/// What was taken together.
struct Part {
    keys: Vec<LimitKey>,
    taken_at: Instant,
    /// Whether the store was seen to agree.
    is_proven: bool,
}

impl Default for Part {
    fn default() -> Self {
        Self::taken(Vec::new())
    }
}

impl Part {
    fn taken(keys: Vec<LimitKey>) -> Self {
        Self { keys, taken_at: Instant::now(), is_proven: false }
    }

    /// What the store says.
    fn proven(keys: Vec<LimitKey>) -> Self {
        Self { is_proven: true, ..Self::taken(keys) }
    }
}

impl Held {
    fn keys(&self) -> impl Iterator<Item = &LimitKey> {
        self.of_client.keys.iter().chain(&self.of_account.keys)
    }
}

impl Slots {
    pub(crate) fn new(limiter: Arc<dyn Limiter>, writers: Writers) -> Self {
        Self { limiter, writers, held: Mutex::default(), renewed_at: Mutex::new(Instant::now()) }
    }

    /// Counts slots that are in use after a restart.
    pub(crate) async fn restore(&self, setup: &Setup, live: Vec<LiveHolding>) {
        let held = live.into_iter().map(|live| self.of_live(setup, live));
        let held: Vec<_> = held.filter(|(_, held)| held.keys().next().is_some()).collect();
        let holdings: Vec<_> = held.iter().map(|(task, held)| holding(task, held.keys())).collect();
        self.limiter.hold(&holdings, LEASE).await;
        self.held().extend(held);
    }

    /// Takes the slots that `task` needs of its client until its end, or none.
    ///
    /// How many tasks a client has is counted by the store, in the transaction that accepts one. Only where several
    /// gateways with stores of their own count together, the limiter counts them too.
    pub(crate) async fn enter(&self, client: &Client, task: &Task) -> Result<(), NoSlot> {
        let of_all = (LimitKey::Client(client.owner.clone()), client.limits.concurrent_tasks);
        let model = &task.request.model;
        let of_model = client.access.per_model.get(model).and_then(|limits| limits.concurrent_tasks);
        let of_model = of_model.map(|max| (LimitKey::ClientModel(client.owner.clone(), model.clone()), max));
        let of_all = self.limiter.is_shared().then_some(of_all);
        let wanted: Vec<(LimitKey, u32)> = of_all.into_iter().chain(of_model).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        match self.limiter.acquire(&task.id, &wanted, LEASE).await {
            SlotVerdict::Taken => {
                let of_client = wanted.into_iter().map(|(key, _)| key).collect();
                self.held().entry(task.id.clone()).or_default().of_client = Part::taken(of_client);
                Ok(())
            }
            SlotVerdict::Full { index, .. } => {
                let (key, max) = wanted[index].clone();
                Err(NoSlot::Full { key, max })
            }
            SlotVerdict::Unavailable { retry_after } => Err(NoSlot::Unavailable { retry_after }),
        }
    }

    /// Takes a slot of the account and of its provider for `task`, if both have room. A provider without a bound is counted
    /// too: it may get one while the task runs.
    pub(crate) async fn take(&self, task: &TaskId, account: &Account, provider: ProviderLimits) -> bool {
        let max = provider.concurrent_tasks.unwrap_or(u32::MAX);
        self.take_up_to(task, account, (account.concurrent_tasks, max)).await
    }

    /// Makes the slot that another process has taken there for `task` its own here; false if there is none.
    pub(crate) async fn take_over(&self, task: &TaskId, account: &Account) -> bool {
        // Of no room at all only those get a slot who have one.
        self.is_counted_together() && self.take_up_to(task, account, (0, 0)).await
    }

    async fn take_up_to(&self, task: &TaskId, account: &Account, (max, of_provider): (u32, u32)) -> bool {
        let wanted = [
            (LimitKey::Account(account.name.clone()), max),
            (LimitKey::Provider(account.provider.clone()), of_provider),
        ];
        if self.limiter.acquire(task, &wanted, LEASE).await != SlotVerdict::Taken {
            return false;
        }
        let of_account = wanted.into_iter().map(|(key, _)| key).collect();
        self.held().entry(task.clone()).or_default().of_account = Part::taken(of_account);
        true
    }

    /// Counts once more what `task` was given of an account, now that the store knows of it: whoever had the task before may
    /// have given the same back a moment ago.
    pub(crate) async fn confirm(&self, task: &TaskId) {
        if !self.is_counted_together() {
            return;
        }
        let keys = self.held().get(task).map(|held| held.of_account.keys.clone()).unwrap_or_default();
        self.limiter.hold(&[Holding { task: task.clone(), keys }], LEASE).await;
    }

    /// Gives back what `task` holds of an account and its provider, if it holds anything: no upstream works on it. What
    /// that was.
    pub(crate) async fn give_back(&self, task: &TaskId) -> Vec<LimitKey> {
        let keys = {
            let mut all = self.held();
            let Some(held) = all.get_mut(task) else { return Vec::new() };
            let keys = std::mem::take(&mut held.of_account).keys;
            if held.of_client.keys.is_empty() {
                all.remove(task);
            }
            keys
        };
        if !keys.is_empty() {
            self.limiter.release(&Holding { task: task.clone(), keys: keys.clone() }).await;
        }
        keys
    }

    /// The same of a stored task whose last attempt is over, whoever has taken its slots.
    pub(crate) async fn give_back_of(&self, setup: &Setup, task: &Task) -> Vec<LimitKey> {
        let freed = self.give_back(&task.id).await;
        if self.writers == Writers::Alone || failpoints::removed("reconcile_slots") {
            return freed;
        }
        let keys = of_attempts(setup, task);
        self.release_others(&task.id, keys, freed).await
    }

    /// Gives back all that `task` holds, if it holds anything: it has ended, or was not accepted. What it held of
    /// an account.
    pub(crate) async fn leave(&self, task: &TaskId) -> Vec<LimitKey> {
        let Some(held) = self.held().remove(task) else { return Vec::new() };
        self.limiter.release(&holding(task, held.keys())).await;
        held.of_account.keys
    }

    /// The same of a stored task that has ended, whoever has taken its slots.
    pub(crate) async fn leave_of(&self, setup: &Setup, task: &Task) -> Vec<LimitKey> {
        let freed = self.leave(&task.id).await;
        if self.writers == Writers::Alone || failpoints::removed("reconcile_slots") {
            return freed;
        }
        let of_client = self.of_client(setup, task.owner.clone(), task.request.model.clone());
        let keys = of_client.into_iter().chain(of_attempts(setup, task)).collect();
        self.release_others(&task.id, keys, freed).await
    }

    /// Gives back `keys` but for those that have been; all of them together.
    async fn release_others(
        &self,
        task: &TaskId,
        mut keys: Vec<LimitKey>,
        freed: Vec<LimitKey>,
    ) -> Vec<LimitKey> {
        keys.retain(|key| !freed.contains(key));
        if !keys.is_empty() {
            self.limiter.release(&Holding { task: task.clone(), keys: keys.clone() }).await;
        }
        freed.into_iter().chain(keys).collect()
    }

    /// Whether it is time to renew the leases; it is not again for a while then.
    pub(crate) fn are_to_be_renewed(&self) -> bool {
        let counts_alone = self.writers == Writers::Several && !self.limiter.is_shared();
        let period = if counts_alone { RECONCILE_ALONE_COUNTED_AFTER } else { LEASE / 3 };
        let mut renewed_at = self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = renewed_at.elapsed() >= period;
        if is_time {
            *renewed_at = Instant::now();
        }
        is_time
    }

    /// Renews the leases.
    pub(crate) async fn renew(&self) {
        let renewed: Vec<_> = self.held().iter().map(|(task, held)| holding(task, held.keys())).collect();
        self.limiter.hold(&renewed, LEASE).await;
        // What was given back meanwhile may have been renewed after that.
        for holding in self.no_longer_held(renewed) {
            self.limiter.release(&holding).await;
        }
    }

    /// What of these is not held any more.
    fn no_longer_held(&self, mut holdings: Vec<Holding>) -> Vec<Holding> {
        let all = self.held();
        for Holding { task, keys } in &mut holdings {
            let held = all.get(task);
            keys.retain(|key| held.is_none_or(|held| held.keys().all(|held| held != key)));
        }
        holdings.retain(|holding| !holding.keys.is_empty());
        holdings
    }

    /// What a live task holds, as the store has it.
    fn of_live(&self, setup: &Setup, live: LiveHolding) -> (TaskId, Held) {
        let of_client = Part::proven(self.of_client(setup, live.owner, live.model));
        let of_account = live.account.map(|account| of_account(setup, account)).unwrap_or_default();
        (live.task, Held { of_client, of_account: Part::proven(of_account) })
    }

    fn is_counted_together(&self) -> bool {
        self.writers == Writers::Several && self.limiter.is_shared()
    }

    fn of_client(&self, setup: &Setup, owner: OwnerId, model: String) -> Vec<LimitKey> {
        let of_all = self.limiter.is_shared().then(|| LimitKey::Client(owner.clone()));
        let is_bounded = setup.keys.bounds_tasks(&owner, &model);
        let of_model = is_bounded.then_some(LimitKey::ClientModel(owner, model));
        of_all.into_iter().chain(of_model).collect()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<TaskId, Held>> {
        // The map is whole between any two statements that could panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a client's task got no slot.
pub(crate) enum NoSlot {
    /// All are in use.
    Full {
        /// Of which limit.
        key: LimitKey,
        /// How many there are.
        max: u32,
    },
    /// Nobody can say.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
}

fn holding<'a>(task: &TaskId, keys: impl Iterator<Item = &'a LimitKey>) -> Holding {
    Holding { task: task.clone(), keys: keys.cloned().collect() }
}

fn of_account(setup: &Setup, account: AccountName) -> Vec<LimitKey> {
    let provider = setup.accounts.get(&account).map(|account| account.provider.clone());
    std::iter::once(LimitKey::Account(account)).chain(provider.map(LimitKey::Provider)).collect()
}

/// What the attempts of a task took; no more than one is live.
fn of_attempts(setup: &Setup, task: &Task) -> Vec<LimitKey> {
    let attempt = task.attempts.last();
    attempt.map(|attempt| of_account(setup, attempt.plan.account.clone())).unwrap_or_default()
}
