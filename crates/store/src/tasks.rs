//! Tasks and their attempts.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, Scope, Settlement, Task, TaskId};

use crate::{CrashingTask, DailyKey, DailyLimit, DailyUse, DailyVerdict, NewDelivery, OverDaily, StoreError};

/// Tasks and their attempts: made, claimed, advanced, ended.
///
/// Leases and due times are kept by the store's own clock, never by the callers', so that replicas whose clocks differ
/// cannot steal each other's work; hence delays as arguments, not moments.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Stores a new task, due at once, if the `terms` of its owner allow it, and sets its price aside. All of it is one
    /// transaction: parallel calls never exceed a limit or a budget, and of those with one key of idempotency one makes a
    /// task. A second task of that id is [`StoreError::Conflict`].
    /// What is counted in limits of the day stays counted, but that money which comes back to the owner's budget comes
    /// back to the day on which it was counted.
    async fn create(&self, task: &Task, terms: &Terms) -> Result<Admission, StoreError>;

    /// The task of that id, whoever owns it; `None` if there is none or it was forgotten.
    async fn load(&self, id: &TaskId) -> Result<Option<Task>, StoreError>;

    /// Takes up to `max` due tasks for `holder`, oldest due first. Until `lease` has passed, or the task is advanced
    /// or released, nobody else gets them. Each claim gets a new epoch.
    async fn claim_due(&self, holder: &str, lease: Duration, max: usize) -> Result<Vec<Claim>, StoreError>;

    /// Writes a task that was claimed with `epoch` and changed from `task.version`: state, attempts, `version + 1`.
    /// With `Next::Keep` the claim is kept and its lease renewed; otherwise it ends. A terminal state frees the owner's slot in the
    /// same transaction. A writer whose epoch or version is not the stored one changes nothing: [`StoreError::Stale`].
    /// A lease that has run out but that nobody took still counts: what its holder learned must not be lost.
    /// What else the `end` of a task brings is stored in the same transaction, or not at all. So is that attempts which
    /// nobody has to pay for, not sent, rejected or failed, no longer count in limits of their day; at the end of the task
    /// also one that was counted but never made.
    /// An attempt with the handle of another attempt of that account is [`StoreError::HandleTaken`].
    async fn advance(
        &self,
        task: &Task,
        epoch: u64,
        next: Next,
        end: Option<&Ending>,
    ) -> Result<u64, StoreError>;

    /// Counts the attempt of that number, which is about to be made and costs `price`, in all of `limits`, or in none. What
    /// was counted for it before is given back first: so it is counted once however often it is tried, and with no limits
    /// it is not counted any more. A claim that is no longer held changes nothing: [`StoreError::Stale`].
    async fn use_daily(
        &self,
        claim: &(TaskId, u64),
        attempt: u32,
        limits: &[DailyLimit],
        price: Money,
    ) -> Result<DailyVerdict, StoreError>;

    /// What is used today of the limits with these keys, in their order.
    async fn used_today(&self, keys: &[DailyKey]) -> Result<Vec<DailyUse>, StoreError>;

    /// Gives claimed tasks back without changing them, due after `delay`. Ignores claims that are no longer held.
    async fn release(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError>;

    /// Like [`Self::release`] for tasks with which no step was taken: what they have crashed before counts on.
    async fn defer(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError>;

    /// Like [`Self::release`] for a task whose step crashed: that counts as if the claim had lapsed.
    async fn crashed(&self, claim: &(TaskId, u64), delay: Duration) -> Result<(), StoreError>;

    /// Up to `max` live tasks of which at least `crashes_min` claims in a row, and at least one, have lapsed or crashed,
    /// the worst first.
    async fn crashing(&self, crashes_min: u32, max: usize) -> Result<Vec<CrashingTask>, StoreError>;

    /// Forgets the crashes of a live task and makes it due at once unless somebody holds it. False if there are none.
    async fn pardon(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Until the next unclaimed task is due (zero if one is), or the next lease runs out; `None` if there is nothing to wait for.
    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError>;

    /// All live tasks, each with the account of its live attempt: what slots are counted from at the start.
    async fn live_holdings(&self) -> Result<Vec<LiveHolding>, StoreError>;

    /// How many tasks are not terminal, by state name.
    async fn live_tasks(&self) -> Result<Vec<(String, u64)>, StoreError>;

    /// Some of the owner's tasks by age; none after a task that is not the owner's.
    async fn list(&self, owner: &OwnerId, wanted: &ListTasks) -> Result<Vec<Task>, StoreError>;

    /// Notes that the owner wants the task to stop, for its next claim, and makes it due at once unless somebody holds
    /// it. False if no such task is live.
    async fn request_cancel(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Makes a live task due at once unless somebody holds it. False if no such task is live.
    async fn make_due(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Makes an ended task absent for its owner. False if there is none that has ended, or it was forgotten before.
    async fn forget(&self, id: &TaskId) -> Result<bool, StoreError>;
}

/// What an owner may have, and what makes two requests the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Live tasks at one time.
    pub concurrent_tasks: u32,
    /// What all tasks may cost together, set aside and spent; absent if there is no bound.
    pub budget: Option<Money>,
    /// What it may use today, each key once; what is set aside for the task is what it spends.
    pub daily: Vec<DailyLimit>,
    /// Names the request; absent if each one is another.
    pub idempotency: Option<IdempotencyKey>,
}

impl Terms {
    /// No bound but that of live tasks.
    pub fn concurrent_tasks(concurrent_tasks: u32) -> Self {
        Self { concurrent_tasks, budget: None, daily: Vec::new(), idempotency: None }
    }
}

/// A client's own name of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// As the client gave it; unique to its owner.
    pub key: String,
    /// What is asked for; the same key with another one is refused.
    pub fingerprint: [u8; 32],
    /// How long it is known.
    pub lifetime: Duration,
}

/// Whether a new task was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is durable.
    Admitted,
    /// The owner has too many live tasks; nothing was stored.
    AtLimit {
        /// How many.
        live: u32,
    },
    /// The owner's budget has no room for the price; nothing was stored.
    OverBudget {
        /// What the budget has left; negative if it was lowered.
        left: Money,
    },
    /// A limit of the day has no room; nothing was stored.
    OverDaily(OverDaily),
    /// The key of idempotency is that of an earlier request for the same; nothing was stored.
    Replayed {
        /// The task that was made then.
        task: TaskId,
    },
    /// The key of idempotency is that of an earlier request for something else; nothing was stored.
    KeyReused,
}

/// What the end of a task brings besides its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Tells the client's own server.
    pub message: Option<NewDelivery>,
    /// What becomes of the money; absent if it stays set aside.
    pub settlement: Option<Settlement>,
    /// How long the upstream, which may still be at work, is watched.
    pub watch: Option<Duration>,
}

/// A task that only its holder may advance.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The task as stored.
    pub task: Task,
    /// What proves the claim.
    pub epoch: u64,
    /// Whether its owner wants it to stop.
    pub cancel_requested: bool,
    /// How many claims before this one lapsed or crashed in a row: each time, its holder was gone before the claim came to
    /// its end.
    pub crashes: u32,
}

/// Who a live task takes a slot of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveHolding {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Its public model.
    pub model: String,
    /// The account that may be at work on it, if one is.
    pub account: Option<AccountName>,
}

/// Which tasks of an owner are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTasks {
    /// Those of one scope only.
    pub scope: Option<Scope>,
    /// Those that follow this one in the order asked for.
    pub after: Option<TaskId>,
    /// At most so many.
    pub limit: usize,
    /// Oldest first, not newest first.
    pub ascending: bool,
}

/// What follows an advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The holder goes on at once and keeps the claim for this long.
    Keep {
        /// The renewed lease.
        lease: Duration,
    },
    /// The claim ends; the task is due after this long. Meaningless for a terminal task.
    Due {
        /// The delay.
        after: Duration,
    },
}
