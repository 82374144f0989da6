//! The slots that live tasks hold: of their clients from accept to end, of accounts and providers while those may work on
//! them. The store's rows are the truth: after a restart, slots are counted from them; and each is a lease that is renewed
//! while its task lives, so that none outlasts its process for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Account, AccountName, Client, OwnerId, ProviderLimits, Task, TaskId};
use limits::{Holding, LimitKey, Limiter, SlotVerdict};
use store::LiveHolding;
use tokio::time::Instant;

use crate::setup::Setup;

/// For how long a slot is held without a renewal.
const LEASE: Duration = Duration::from_secs(600);

/// What the tasks of this process hold.
pub(crate) struct Slots {
    limiter: Arc<dyn Limiter>,
    held: Mutex<HashMap<TaskId, Held>>,
    renewed_at: Mutex<Instant>,
}

/// What one task holds.
#[derive(Default)]
struct Held {
    of_client: Vec<LimitKey>,
    of_account: Vec<LimitKey>,
}

impl Held {
    fn keys(&self) -> impl Iterator<Item = &LimitKey> {
        self.of_client.iter().chain(&self.of_account)
    }
}

impl Slots {
    pub(crate) fn new(limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter, held: Mutex::default(), renewed_at: Mutex::new(Instant::now()) }
    }

    /// Counts slots that are in use after a restart.
    pub(crate) async fn restore(&self, setup: &Setup, live: Vec<LiveHolding>) {
        let held = live.into_iter().map(|live| {
            let of_client = self.of_client(setup, live.owner, live.model);
            let of_account = live.account.map(|account| of_account(setup, account)).unwrap_or_default();
            (live.task, Held { of_client, of_account })
        });
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
                self.held().entry(task.id.clone()).or_default().of_client = of_client;
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
        let wanted = [
            (LimitKey::Account(account.name.clone()), account.concurrent_tasks),
            (LimitKey::Provider(account.provider.clone()), max),
        ];
        if self.limiter.acquire(task, &wanted, LEASE).await != SlotVerdict::Taken {
            return false;
        }
        let of_account = wanted.into_iter().map(|(key, _)| key).collect();
        self.held().entry(task.clone()).or_default().of_account = of_account;
        true
    }

    /// Gives back what `task` holds of an account and its provider, if it holds anything: no upstream works on it. What
    /// that was.
    pub(crate) async fn give_back(&self, task: &TaskId) -> Vec<LimitKey> {
        let keys = {
            let mut all = self.held();
            let Some(held) = all.get_mut(task) else { return Vec::new() };
            let keys = std::mem::take(&mut held.of_account);
            if held.of_client.is_empty() {
                all.remove(task);
            }
            keys
        };
        if !keys.is_empty() {
            self.limiter.release(&Holding { task: task.clone(), keys: keys.clone() }).await;
        }
        keys
    }

    /// Gives back all that `task` holds, if it holds anything: it has ended, or was not accepted. What it held of
    /// an account.
    pub(crate) async fn leave(&self, task: &TaskId) -> Vec<LimitKey> {
        let Some(held) = self.held().remove(task) else { return Vec::new() };
        self.limiter.release(&holding(task, held.keys())).await;
        held.of_account
    }

    /// Renews the leases if it is time to.
    pub(crate) async fn renew(&self) {
        {
            let mut renewed_at = self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
            if renewed_at.elapsed() < LEASE / 3 {
                return;
            }
            *renewed_at = Instant::now();
        }
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
