//! What slots are held for, compared with the store, where several processes work on it: another one may have ended a task
//! or given it to another account.

use std::collections::HashMap;
use std::time::Duration;

use domain::TaskId;
use limits::{Holding, LimitKey};
use store::{Store, StoreError};
use tokio::time::Instant;

use super::{Held, Part, Slots};
use crate::setup::Setup;

/// For how long a slot is believed to be needed that the store does not know of: a task that is being accepted, or one for
/// which a submission is being made ready.
const UNPROVEN_FOR: Duration = Duration::from_secs(300);

impl Slots {
    /// Renews what live tasks hold, whoever works on them, and lets go of the rest. What of an account was let go.
    ///
    /// Three races are covered. What was taken after the store was read is not let go for it. What is given back, or whose
    /// task ends, between the reading and the renewal would be counted again by it: the store is read a second time, after
    /// the renewal, and what is gone by then is let go; whoever ends a task later than that gives its slots back later, too.
    /// And a task that lives may have its turn at the same account anew, before the store knows: where slots are counted
    /// together, whoever had given them back has done so, and here they are only forgotten.
    pub(crate) async fn reconcile(
        &self,
        setup: &Setup,
        store: &dyn Store,
    ) -> Result<Vec<LimitKey>, StoreError> {
        if failpoints::removed("reconcile_slots") {
            self.renew().await;
            return Ok(Vec::new());
        }
        let read_at = Instant::now();
        let mut live = self.live(setup, store).await?;
        let mut freed = self.let_go(&live, read_at, self.is_counted_together()).await;
        self.adopt(&mut live, read_at);
        self.renew().await;
        let read_at = Instant::now();
        let live = self.live(setup, store).await?;
        freed.extend(self.let_go(&live, read_at, false).await);
        Ok(freed)
    }

    async fn live(&self, setup: &Setup, store: &dyn Store) -> Result<HashMap<TaskId, Held>, StoreError> {
        let live = store.live_holdings().await?;
        Ok(live.into_iter().map(|live| self.of_live(setup, live)).collect())
    }

    /// Lets go of what the tasks do not need by what the store said at `read_at`; where others give back what was held for
    /// tasks that live, only of what was held for ended ones.
    async fn let_go(
        &self,
        live: &HashMap<TaskId, Held>,
        read_at: Instant,
        others_give_back: bool,
    ) -> Vec<LimitKey> {
        let mut unneeded = Vec::new();
        self.held().retain(|task, held| {
            let needed = live.get(task);
            let of_client = held.of_client.unneeded(needed.map(|needed| &needed.of_client), read_at);
            let of_account = held.of_account.unneeded(needed.map(|needed| &needed.of_account), read_at);
            let keys: Vec<LimitKey> = of_client.into_iter().chain(of_account).collect();
            if !keys.is_empty() {
                unneeded.push(Holding { task: task.clone(), keys });
            }
            held.keys().next().is_some()
        });
        for holding in unneeded.iter().filter(|of| !others_give_back || !live.contains_key(&of.task)) {
            self.limiter.release(holding).await;
        }
        unneeded.into_iter().flat_map(|holding| holding.keys).collect()
    }

    /// What others have taken is held here, too, so that it does not end with their processes.
    fn adopt(&self, live: &mut HashMap<TaskId, Held>, read_at: Instant) {
        let mut all = self.held();
        for (task, mut needed) in live.drain().filter(|(_, needed)| needed.keys().next().is_some()) {
            let held = all.entry(task).or_default();
            for (part, needed) in
                [(&mut held.of_client, &mut needed.of_client), (&mut held.of_account, &mut needed.of_account)]
            {
                if !needed.keys.is_empty() && (part.keys.is_empty() || part.taken_at < read_at) {
                    *part = std::mem::take(needed);
                }
            }
        }
    }
}

impl Part {
    /// Takes out what is not needed any more.
    fn unneeded(&mut self, needed: Option<&Self>, read_at: Instant) -> Vec<LimitKey> {
        let needed = needed.map(|needed| needed.keys.as_slice()).unwrap_or_default();
        if self.keys.iter().all(|key| needed.contains(key)) {
            self.is_proven = true;
            return Vec::new();
        }
        let is_young = self.taken_at >= read_at;
        let may_be_coming = !self.is_proven && read_at < self.taken_at + UNPROVEN_FOR;
        if is_young || may_be_coming {
            return Vec::new();
        }
        self.keys.extract_if(.., |key| !needed.contains(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use domain::{Account, AccountName, NewAttempt, ProviderLimits, Task, TaskEvent, TaskState, Timestamp};
    use limits::{Limiter, LocalLimiter, Rate, RateVerdict, SlotVerdict};
    use routing::{Catalogue, Router};
    use store::{Claim, Next, SqliteSettings, SqliteStore, Tasks as _, Terms};
    use tempfile::TempDir;

    use super::*;
    use crate::Writers;
    use crate::live::tests::task;
    use crate::setup::tests::account;

    /// What several processes count together.
    struct Together(Arc<LocalLimiter>);

    #[async_trait]
    impl Limiter for Together {
        async fn check(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
            self.0.check(rates).await
        }

        async fn acquire(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
            self.0.acquire(task, slots, lease).await
        }

        async fn hold(&self, holdings: &[Holding], lease: Duration) {
            self.0.hold(holdings, lease).await;
        }

        async fn release(&self, holding: &Holding) {
            self.0.release(holding).await;
        }

        async fn in_use(&self, key: &LimitKey) -> u32 {
            self.0.in_use(key).await
        }

        fn is_shared(&self) -> bool {
            true
        }
    }

    /// Two processes on one store.
    struct Stage {
        _folder: TempDir,
        store: SqliteStore,
        setup: Setup,
        one: Slots,
        other: Slots,
    }

    impl Stage {
        /// Each counts with that limiter.
        fn new(limiters: [Arc<dyn Limiter>; 2]) -> Self {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("store");
            let store = SqliteStore::open(path, SqliteSettings::default()).unwrap();
            let accounts = [account("a", "c"), account("b", "c")];
            let setup = Setup::new(Catalogue::builtin(), Router::new([], 0), accounts);
            let [one, other] = limiters.map(|limiter| Slots::new(limiter, Writers::Several));
            Self { _folder: folder, store, setup, one, other }
        }

        fn together() -> Self {
            let limiter = Arc::new(LocalLimiter::new(100));
            Self::new([(); 2].map(|()| Arc::new(Together(Arc::clone(&limiter))) as Arc<dyn Limiter>))
        }

        fn apart() -> Self {
            Self::new([(); 2].map(|()| Arc::new(LocalLimiter::new(100)) as Arc<dyn Limiter>))
        }

        fn account(&self, name: &str) -> &Account {
            &self.setup.accounts[&AccountName::new(name)]
        }

        /// A task that one process submits to the account, with a slot of it.
        async fn submitted(&self, name: &str) -> Claim {
            let new = task("t", TaskState::Queued);
            self.store.create(&new, &Terms::concurrent_tasks(9)).await.unwrap();
            let mut claim = self.store.claim_due("one", Duration::from_secs(60), 1).await.unwrap().remove(0);
            let account = self.account(name);
            assert!(self.one.take(&claim.task.id, account, ProviderLimits::default()).await);
            let plan = NewAttempt {
                account: account.name.clone(),
                provider: account.provider.clone(),
                upstream_model: "m".into(),
                account_version: account.version.clone(),
            };
            self.write(&mut claim, TaskEvent::SubmitIntended { plan }).await;
            claim
        }

        async fn write(&self, claim: &mut Claim, event: TaskEvent) {
            claim.task.apply(event, Timestamp::from_millis(1)).unwrap();
            let next = Next::Keep { lease: Duration::from_secs(60) };
            claim.task.version = self.store.advance(&claim.task, claim.epoch, next, None).await.unwrap();
        }

        /// The attempt is over, and the task may be submitted again.
        async fn refused(&self, claim: &mut Claim) {
            self.write(claim, TaskEvent::SubmitRejected { reason: "no".into() }).await;
        }

        async fn reconcile(&self, slots: &Slots) -> Vec<LimitKey> {
            slots.reconcile(&self.setup, &self.store).await.unwrap()
        }
    }

    async fn in_use(slots: &Slots, account: &str) -> u32 {
        slots.limiter.in_use(&LimitKey::Account(AccountName::new(account))).await
    }

    async fn leave(stage: &Stage, slots: &Slots, task: &Task) {
        slots.leave_of(&stage.setup, task).await;
    }

    #[tokio::test]
    async fn who_ends_a_task_frees_what_another_process_took_for_it() {
        let stage = Stage::together();
        let mut claim = stage.submitted("a").await;
        stage.refused(&mut claim).await;
        leave(&stage, &stage.other, &claim.task).await;
        assert_eq!(in_use(&stage.one, "a").await, 0);
        assert_eq!(in_use(&stage.one, "b").await, 0);
    }

    #[tokio::test]
    async fn what_another_process_ended_is_not_renewed() {
        let stage = Stage::together();
        let mut claim = stage.submitted("a").await;
        assert_eq!(stage.reconcile(&stage.one).await, []);
        assert_eq!(in_use(&stage.one, "a").await, 1, "it lives");
        stage.refused(&mut claim).await;
        leave(&stage, &stage.other, &claim.task).await;
        let freed = stage.reconcile(&stage.one).await;
        assert!(freed.contains(&LimitKey::Account(AccountName::new("a"))), "{freed:?}");
        assert_eq!(in_use(&stage.one, "a").await, 0);
    }

    #[tokio::test]
    async fn processes_that_count_alone_hear_of_the_others_from_the_store() {
        let stage = Stage::apart();
        let mut claim = stage.submitted("a").await;
        assert_eq!(in_use(&stage.other, "a").await, 0);
        stage.reconcile(&stage.other).await;
        assert_eq!(in_use(&stage.other, "a").await, 1, "it is counted where it was not taken, too");
        stage.refused(&mut claim).await;
        leave(&stage, &stage.one, &claim.task).await;
        assert_eq!(in_use(&stage.other, "a").await, 1);
        stage.reconcile(&stage.other).await;
        assert_eq!(in_use(&stage.other, "a").await, 0);
    }

    #[tokio::test]
    async fn what_is_needed_is_not_freed_early() {
        let stage = Stage::together();
        let mut claim = stage.submitted("a").await;
        stage.reconcile(&stage.other).await;
        assert_eq!(
            in_use(&stage.one, "a").await,
            1,
            "another process takes it for its own, and it stays one"
        );
        stage.refused(&mut claim).await;
        stage.one.give_back_of(&stage.setup, &claim.task).await;
        // Its turn at the other account has come, and the store does not know yet.
        assert!(stage.one.take(&claim.task.id, stage.account("b"), ProviderLimits::default()).await);
        stage.reconcile(&stage.one).await;
        stage.reconcile(&stage.other).await;
        assert_eq!(in_use(&stage.one, "b").await, 1);
        let provider = LimitKey::Provider(stage.account("b").provider.clone());
        assert_eq!(stage.one.limiter.in_use(&provider).await, 1, "which is of the same provider");
        assert_eq!(in_use(&stage.one, "a").await, 0);
    }

    #[tokio::test]
    async fn what_was_given_back_late_is_counted_again_with_the_intent() {
        let stage = Stage::together();
        let claim = stage.submitted("a").await;
        // By whoever had the task before.
        stage.other.limiter.release(&Holding { task: claim.task.id.clone(), keys: of_a(&stage) }).await;
        assert_eq!(in_use(&stage.one, "a").await, 0);
        stage.one.confirm(&claim.task.id).await;
        assert_eq!(in_use(&stage.one, "a").await, 1);
    }

    fn of_a(stage: &Stage) -> Vec<LimitKey> {
        super::super::of_account(&stage.setup, AccountName::new("a"))
    }

    #[tokio::test]
    async fn a_slot_that_another_process_took_for_a_task_is_its_own() {
        let stage = Stage::together();
        let id = TaskId::new("t");
        assert!(!stage.other.take_over(&id, stage.account("a")).await, "there is none");
        assert!(stage.one.take(&id, stage.account("a"), ProviderLimits::default()).await);
        assert!(stage.other.take_over(&id, stage.account("a")).await);
        assert_eq!(in_use(&stage.one, "a").await, 1);
        let apart = Stage::apart();
        assert!(apart.one.take(&id, apart.account("a"), ProviderLimits::default()).await);
        assert!(!apart.other.take_over(&id, apart.account("a")).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_store_never_heard_of_is_let_go_in_the_end() {
        let stage = Stage::together();
        let id = TaskId::new("nobody");
        assert!(stage.one.take(&id, stage.account("a"), ProviderLimits::default()).await);
        stage.reconcile(&stage.one).await;
        assert_eq!(in_use(&stage.one, "a").await, 1, "it may be coming");
        tokio::time::advance(UNPROVEN_FOR).await;
        stage.reconcile(&stage.one).await;
        assert_eq!(in_use(&stage.one, "a").await, 0);
    }
}
