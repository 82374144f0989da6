//! The seam: what every back end promises.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, AssetId, Money, OwnerId, Scope, Settlement, Task, TaskId, Timestamp};

use crate::books::{HeldMoney, HeldVerdict, KnownWork, LedgerBy, LedgerRow, LedgerSpan, LedgerTotal};
use crate::{
    CrashingTask, DailyKey, DailyLimit, DailyUse, DailyVerdict, Delivery, DeliveryClaim, DeliveryState,
    LateClaim, LateResult, LateWord, NewDelivery, OverDaily, Tried,
};

/// Durable tasks. What a method has answered with `Ok` survives the loss of the process and of power.
///
/// Leases and due times are kept by the store's own clock, never by the callers', so that replicas whose clocks differ
/// cannot steal each other's work; hence delays as arguments, not moments.
#[async_trait]
pub trait TaskStore: Send + Sync {
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

    /// The versions of accounts that attempts were made with which are live, or watched after the end of their task; each
    /// once.
    async fn account_versions(&self) -> Result<Vec<String>, StoreError>;

    /// How many tasks are not terminal, by state name.
    async fn live_tasks(&self) -> Result<Vec<(String, u64)>, StoreError>;

    /// Some of the owner's tasks by age; none after a task that is not the owner's.
    async fn list(&self, owner: &OwnerId, wanted: &ListTasks) -> Result<Vec<Task>, StoreError>;

    /// Notes that the owner wants the task to stop, for its next claim, and makes it due at once unless somebody holds
    /// it. False if no such task is live.
    async fn request_cancel(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Makes a live task due at once unless somebody holds it. False if no such task is live.
    async fn make_due(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Notes a callback of an upstream, and makes its task due at once unless somebody holds it or it has ended. False if
    /// the account has sent the very same before: then nothing changes.
    async fn hear(&self, heard: &Heard) -> Result<bool, StoreError>;

    /// The upstream's own id of the task that a callback to this attempt named, if any did.
    async fn heard_handle(&self, id: &TaskId, attempt: u32) -> Result<Option<String>, StoreError>;

    /// Those of `handles` that are of a known attempt of `account`.
    async fn known_handles(
        &self,
        account: &AccountName,
        handles: &[String],
    ) -> Result<Vec<String>, StoreError>;

    /// Makes an ended task absent for its owner. False if there is none that has ended, or it was forgotten before.
    async fn forget(&self, id: &TaskId) -> Result<bool, StoreError>;

    /// Takes up to `max` due messages for `holder`, oldest due first, but none to a host of `busy`. Until `lease` has
    /// passed or they are settled, nobody else gets them.
    async fn claim_deliveries(
        &self,
        holder: &str,
        lease: Duration,
        max: usize,
        busy: &[String],
    ) -> Result<Vec<DeliveryClaim>, StoreError>;

    /// Notes what became of a try of a claimed message. A claim that is no longer held changes nothing: [`StoreError::Stale`].
    async fn settle_delivery(&self, id: &str, epoch: u64, tried: &Tried) -> Result<(), StoreError>;

    /// Until the next message is due, to whichever host; `None` if none waits.
    async fn next_delivery_in(&self) -> Result<Option<Duration>, StoreError>;

    /// Up to `max` messages in that state, latest first.
    async fn deliveries(&self, state: DeliveryState, max: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Makes dead messages due at once, with all their tries before them: the one of that id, or all. How many there were.
    async fn replay_deliveries(&self, id: Option<&str>) -> Result<u64, StoreError>;

    /// Takes up to `max` ended tasks whose upstreams may still be at work and are to be asked, oldest due first. Until
    /// `lease` has passed or they are settled, nobody else gets them. Each claim gets a new epoch.
    async fn claim_late(&self, lease: Duration, max: usize) -> Result<Vec<LateClaim>, StoreError>;

    /// Notes what a look at a claimed one's upstream has shown, with what that does to the money: once, in one transaction.
    /// The end of the task stays as it is. A claim that is no longer held changes nothing: [`StoreError::Stale`].
    async fn settle_late(&self, claim: &LateClaim, word: &LateWord) -> Result<(), StoreError>;

    /// Until the next ended task is to be looked at, or the next lease runs out; `None` if none is watched.
    async fn next_late_in(&self) -> Result<Option<Duration>, StoreError>;

    /// Up to `max` results that came after the end of their tasks, latest first.
    async fn late_results(&self, max: usize) -> Result<Vec<LateResult>, StoreError>;

    /// Deletes up to `max` tasks that ended at least `age` ago, with all that belongs to them but their ledger; how many.
    /// A task stays while a key of idempotency leads to it, its message waits, its upstream is watched, or a result of it
    /// has not expired. Results that would never expire do so with their task.
    async fn purge_tasks(&self, age: Duration, max: usize) -> Result<usize, StoreError>;

    /// Deletes up to `max` keys of idempotency whose lifetimes are over; how many.
    async fn purge_keys(&self, max: usize) -> Result<usize, StoreError>;

    /// Deletes up to `max` rows about what was used on days before yesterday; how many.
    async fn purge_daily(&self, max: usize) -> Result<usize, StoreError>;

    /// Up to `max` assets that have expired: their bytes are to be removed, then their notes.
    async fn expired_assets(&self, max: usize) -> Result<Vec<AssetId>, StoreError>;

    /// Removes the notes of those assets, but of none that has not expired.
    async fn drop_expired(&self, ids: &[AssetId]) -> Result<(), StoreError>;

    /// Notes an asset whose bytes are already stored. A second one of that id is [`StoreError::Conflict`].
    async fn put_asset(&self, asset: &AssetRecord) -> Result<(), StoreError>;

    /// Removes the note of an asset. False if there is none.
    async fn drop_asset(&self, id: &AssetId) -> Result<bool, StoreError>;

    /// The asset of that id.
    async fn asset(&self, id: &AssetId) -> Result<Option<AssetRecord>, StoreError>;

    /// Up to `max` rows of the ledger after the row `after` (0 for the first), in the order in which they were written; of
    /// what was paid to one account, if one is named.
    async fn ledger(
        &self,
        page: (i64, usize),
        span: LedgerSpan,
        account: Option<&AccountName>,
    ) -> Result<Vec<LedgerRow>, StoreError>;

    /// Sums of the rows of that span, by name.
    async fn ledger_totals(&self, by: LedgerBy, span: LedgerSpan) -> Result<Vec<LedgerTotal>, StoreError>;

    /// Up to `max` sums that are still set aside although their tasks have ended, after that of the row `after`, oldest
    /// first.
    async fn held_money(&self, page: (i64, usize)) -> Result<Vec<HeldMoney>, StoreError>;

    /// Settles what is still set aside for an ended task, in one transaction; `None` if nothing is.
    async fn settle_held(&self, id: &TaskId, verdict: HeldVerdict) -> Result<Option<Settlement>, StoreError>;

    /// What is known of an account's own id of a task; `None` if no attempt of it had that.
    async fn known_work(&self, account: &AccountName, handle: &str) -> Result<Option<KnownWork>, StoreError>;

    /// Stores a client key's digest. A second key with the same digest or owner is [`StoreError::Conflict`].
    async fn put_key(&self, key: &KeyRecord) -> Result<(), StoreError>;

    /// The key with that digest, revoked or not.
    async fn key(&self, digest: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError>;

    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Revokes the key of that owner; false if there is none or it was revoked before.
    async fn revoke_key(&self, owner: &OwnerId, at: Timestamp) -> Result<bool, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
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

/// A callback of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The account that it is from.
    pub account: AccountName,
    /// What it is known by.
    pub digest: [u8; 32],
    /// The task and the number of the attempt whose address it came to.
    pub attempt: (TaskId, u32),
    /// The upstream's own id of the task, where the callback has it.
    pub handle: Option<String>,
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

/// Media bytes that we keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRecord {
    /// Its name.
    pub id: AssetId,
    /// Whose it is.
    pub owner: OwnerId,
    /// For instance `video/mp4`.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it can no longer be read; absent if never.
    pub expires_at: Option<Timestamp>,
}

/// A client key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The owner of all tasks made with it.
    pub owner: OwnerId,
    /// The operator's name for it.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Requests a minute, if other than the default.
    pub requests_per_minute: Option<u32>,
    /// Tasks at one time, if other than the default.
    pub concurrent_tasks: Option<u32>,
    /// What its tasks may cost in all, if that is bounded.
    pub budget: Option<Money>,
    /// The API that paths which several claim belong to, by registry name.
    pub dialect: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was faster, or the claim is no longer held. Nothing was changed.
    #[error("the task was changed by another writer or the claim is no longer held")]
    Stale,
    /// Something of that name exists.
    #[error("{0} exists")]
    Conflict(String),
    /// A second possibly live attempt of one task, which could cost twice. Nothing was changed.
    #[error("the task already has a live attempt")]
    SecondLiveAttempt,
    /// Another attempt of that account has that handle: two attempts cannot be one piece of work. Nothing was changed.
    #[error("the handle belongs to another attempt")]
    HandleTaken,
    /// A stored value cannot be read; the text names the row.
    #[error("cannot read stored {0}")]
    Corrupt(String),
    /// The store is shutting down or overloaded; nothing was changed.
    #[error("the store does not take writes: {0}")]
    Unavailable(String),
    /// The back end failed.
    #[error("{operation} failed")]
    Backend {
        /// What was being done.
        operation: &'static str,
        /// The back end's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
