//! What service and worker share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Account, Failure, FailureKind, NewAttempt, Task, TaskId, with_sources};
use limits::{LimitKey, Limiter};
use store::{Store, StoreError};
use tokio::sync::Notify;
use upstream::Upstream;

use crate::at_work::AtWork;
use crate::daily::FullDays;
use crate::dispatch::Waiting;
use crate::health::Health;
use crate::hints::Hints;
use crate::live::LiveView;
use crate::metrics::Metrics;
use crate::resolve::Lost;
use crate::setup::CurrentSetup;
use crate::slots::Slots;
use crate::spool::{Fact, Spool};
use crate::stopping::Stopping;
use crate::watch::Watchers;
use crate::{AssetStorage, Settings, Writers};

/// Everything that the life of a task needs.
pub struct Parts {
    /// Where tasks are kept.
    pub store: Arc<dyn Store>,
    /// Models, accounts, routes, keys and limits.
    pub setup: CurrentSetup,
    /// The way out.
    pub upstream: Upstream,
    /// Counts what is used of the limits.
    pub limiter: Arc<dyn Limiter>,
    /// Where media is kept.
    pub assets: AssetStorage,
    /// Upstreams' ids that the store did not take.
    pub spool: Spool,
    /// Bounds.
    pub settings: Settings,
}

/// The parts, and what the running process remembers besides.
pub struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) setup: CurrentSetup,
    pub(crate) upstream: Upstream,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) assets: AssetStorage,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    /// Upstreams' ids that the store does not have yet.
    pub(crate) spool: Spool,
    /// What steps under way work on.
    pub(crate) at_work: AtWork,
    /// What is known of submissions whose answers were lost.
    pub(crate) lost: Lost,
    /// Wakes the worker: something is due now.
    pub(crate) wake: Notify,
    /// Wakes the deliverer: a message is due now.
    pub(crate) wake_deliverer: Notify,
    /// Wakes the watcher of ended tasks: one is due now.
    pub(crate) wake_late: Notify,
    /// What polls find without the store.
    pub(crate) live: LiveView,
    /// Tasks that wait for room at an account.
    pub(crate) waiting: Waiting,
    /// How the accounts do.
    pub(crate) health: Health,
    /// Accounts that have had their day.
    pub(crate) full_days: FullDays,
    /// What upstreams told us lately.
    pub(crate) hints: Hints,
    /// Tasks whose upstreams were asked to stop, so that they are asked once; at most the live ones.
    pub(crate) asked_to_stop: Mutex<HashSet<TaskId>>,
    /// Who waits for tasks to change.
    pub(crate) watchers: Watchers,
    pub(crate) slots: Slots,
    /// Whether the process ends.
    pub(crate) stopping: Stopping,
}

impl Shared {
    /// Puts the parts together and counts slots from the store, which is the truth after a restart.
    /// Registers its metrics with `registry`; fails if they are registered already.
    pub async fn new(parts: Parts, registry: &prometheus::Registry) -> Result<Arc<Self>, StartError> {
        let live = parts.store.live_holdings().await?;
        let slots = Slots::new(Arc::clone(&parts.limiter), parts.settings.writers);
        slots.restore(&parts.setup.get(), live).await;
        // What another process writes would not be seen in it.
        let is_alone = parts.settings.writers == Writers::Alone;
        let live = LiveView::new(if is_alone { parts.settings.live_view_max } else { 0 });
        let shared = Self {
            live,
            store: parts.store,
            setup: parts.setup,
            upstream: parts.upstream,
            limiter: parts.limiter,
            assets: parts.assets,
            spool: parts.spool,
            at_work: AtWork::default(),
            lost: Lost::default(),
            settings: parts.settings,
            metrics: Metrics::new(registry)?,
            wake: Notify::new(),
            wake_deliverer: Notify::new(),
            wake_late: Notify::new(),
            waiting: Waiting::default(),
            health: Health::default(),
            full_days: FullDays::default(),
            asked_to_stop: Mutex::default(),
            hints: Hints::default(),
            watchers: Watchers::default(),
            slots,
            stopping: Stopping::default(),
        };
        shared.replay_spool().await?;
        shared.read_drained().await?;
        Ok(Arc::new(shared))
    }

    /// Gives back what `task` holds of an account, for those who wait.
    pub(crate) async fn give_back(&self, task: &TaskId) {
        let freed = self.slots.give_back(task).await;
        self.tell_freed(freed);
    }

    /// The same of a stored task whose last attempt is over, wherever its slots were taken.
    pub(crate) async fn give_back_of(&self, task: &Task) {
        let freed = self.slots.give_back_of(&self.setup.get(), task).await;
        self.tell_freed(freed);
    }

    /// Gives back all that a stored task holds, wherever it was taken: it has ended.
    pub(crate) async fn leave_of(&self, task: &Task) {
        self.waiting.leave(&task.id);
        let freed = self.slots.leave_of(&self.setup.get(), task).await;
        self.tell_freed(freed);
    }

    /// Renews the leases of slots if it is time to, and lets go of those that nobody needs any more.
    pub(crate) async fn renew_slots(&self) {
        if !self.slots.are_to_be_renewed() {
            return;
        }
        if self.settings.writers == Writers::Alone {
            return self.slots.renew().await;
        }
        match self.slots.reconcile(&self.setup.get(), self.store.as_ref()).await {
            Ok(freed) => self.tell_freed(freed),
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "what slots are held for is not known");
                self.slots.renew().await;
            }
        }
    }

    /// Gives back all that `task` holds: it was not accepted.
    pub(crate) async fn leave(&self, task: &TaskId) {
        self.waiting.leave(task);
        let freed = self.slots.leave(task).await;
        self.tell_freed(freed);
    }

    /// Of a provider without a bound nobody waits for a slot.
    fn tell_freed(&self, mut freed: Vec<LimitKey>) {
        let setup = self.setup.get();
        freed.retain(|key| match key {
            LimitKey::Provider(name) => setup.provider(name).concurrent_tasks.is_some(),
            _ => true,
        });
        self.waiting.freed(&freed);
    }

    /// Keeps an upstream's id that the store does not take.
    pub(crate) async fn keep_in_spool(&self, fact: Fact) {
        self.spool.keep(fact).await;
        self.metrics.spooled(self.spool.len());
    }

    /// Forgets the upstream's id of a task that the store has now.
    pub(crate) fn forget_in_spool(&self, task: &TaskId) {
        if self.spool.forget(task) {
            self.metrics.spooled(self.spool.len());
        }
    }

    /// The account that an attempt was made with, as it was then.
    pub(crate) fn account(&self, plan: &NewAttempt) -> Option<Arc<Account>> {
        self.setup.account(plan)
    }

    /// Forgets accounts that were changed or removed once the last task that was submitted with them has ended.
    pub(crate) async fn forget_retired_accounts(&self) {
        // In this order: what is stored after the first look holds its account at the first look.
        let idle = self.setup.idle_versions();
        if !idle.is_empty() {
            match self.store.account_versions().await {
                Ok(in_use) => self.setup.forget(&idle, &in_use.into_iter().collect()),
                Err(error) => {
                    tracing::warn!(error = with_sources(&error), "changed accounts are kept for longer");
                }
            }
        }
        self.metrics.accounts.retired(&self.setup.get(), &self.setup.retired());
    }

    /// Whether the upstream of `task` was asked to stop before; it is from now on.
    pub(crate) fn was_asked_to_stop(&self, task: &TaskId) -> bool {
        !self.asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner).insert(task.clone())
    }
}

/// Why the work on tasks cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot say which tasks upstreams work on.
    #[error("reading what upstreams work on failed")]
    Store(#[from] StoreError),
    /// The metrics are registered already.
    #[error("registering metrics failed")]
    Metrics(#[from] prometheus::Error),
}

/// What a client learns when the store fails.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::Corrupt(_) => return Failure::internal(with_sources(error)),
        _ => FailureKind::Overloaded,
    };
    Failure::new(kind, "the gateway cannot reach its store right now, nothing was accepted")
        .with_internal(with_sources(error))
        .with_retry_after(std::time::Duration::from_secs(1))
}
