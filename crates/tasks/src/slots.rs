//! The slots that live tasks hold at accounts and providers. The store's rows are the truth: after a restart, slots are
//! counted from them; and each is a lease that is renewed while its task lives, so that none outlasts its process for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Account, ProviderLimits, TaskId};
use limits::{Holding, LimitKey, Limiter, SlotVerdict};
use tokio::time::Instant;

/// For how long a slot is held without a renewal.
const LEASE: Duration = Duration::from_secs(600);

/// What the tasks of this process hold.
pub(crate) struct Slots {
    limiter: Arc<dyn Limiter>,
    held: Mutex<HashMap<TaskId, Vec<LimitKey>>>,
    renewed_at: Mutex<Instant>,
}

impl Slots {
    pub(crate) fn new(limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter, held: Mutex::default(), renewed_at: Mutex::new(Instant::now()) }
    }

    /// Counts slots that are in use after a restart.
    pub(crate) async fn restore(&self, holdings: Vec<Holding>) {
        self.limiter.hold(&holdings, LEASE).await;
        self.held().extend(holdings.into_iter().map(|holding| (holding.task, holding.keys)));
    }

    /// Takes a slot of the account and of its provider for `task`, if both have room.
    pub(crate) async fn take(&self, task: &TaskId, account: &Account, provider: ProviderLimits) -> bool {
        let of_provider =
            provider.concurrent_tasks.map(|max| (LimitKey::Provider(account.provider.clone()), max));
        let of_account = (LimitKey::Account(account.name.clone()), account.concurrent_tasks);
        let wanted: Vec<(LimitKey, u32)> = std::iter::once(of_account).chain(of_provider).collect();
        if self.limiter.acquire(task, &wanted, LEASE).await != SlotVerdict::Taken {
            return false;
        }
        self.held().insert(task.clone(), wanted.into_iter().map(|(key, _)| key).collect());
        true
    }

    /// Gives back what `task` holds, if it holds anything.
    pub(crate) async fn give_back(&self, task: &TaskId) {
        let Some(keys) = self.held().remove(task) else { return };
        self.limiter.release(&Holding { task: task.clone(), keys }).await;
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
        let held = self
            .held()
            .iter()
            .map(|(task, keys)| Holding { task: task.clone(), keys: keys.clone() })
            .collect::<Vec<_>>();
        self.limiter.hold(&held, LEASE).await;
    }

    fn held(&self) -> MutexGuard<'_, HashMap<TaskId, Vec<LimitKey>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
