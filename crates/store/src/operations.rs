//! What operators ask and decide.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, OwnerId, Scope, Task, TaskId, Timestamp};

use crate::{Delivery, StoreError};

/// What operators ask of tasks, and what they decide about accounts.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Tasks of all owners that fit the search, by descending id (ids that the gateway makes begin with their time, so these
    /// are the newest first), also those that their owners have forgotten. It looks at `scan_max` tasks at most, however few
    /// of them fit.
    async fn search_tasks(&self, search: &TaskSearch) -> Result<TaskPage, StoreError>;

    /// The message that tells of that task's end, if there is one.
    async fn delivery_of(&self, id: &TaskId) -> Result<Option<Delivery>, StoreError>;

    /// The versions of accounts that attempts were made with which are live, or watched after the end of their task; each
    /// once.
    async fn account_versions(&self) -> Result<Vec<String>, StoreError>;

    /// The accounts that are to get no new work, by name.
    async fn drained_accounts(&self) -> Result<Vec<AccountName>, StoreError>;

    /// From now on that account is to get no new work. False if that was so before.
    async fn drain_account(&self, account: &AccountName) -> Result<bool, StoreError>;

    /// Takes [`Self::drain_account`] back. False if it was not drained.
    async fn resume_account(&self, account: &AccountName) -> Result<bool, StoreError>;

    /// What is live, in numbers. It reads no row of what has ended, but the messages that were given up.
    async fn live_summary(&self, bounds: SummaryBounds) -> Result<LiveSummary, StoreError>;
}

/// What a summary counts as remarkable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryBounds {
    /// Results that have been there since then, by the clock of those who write tasks, and are not copied.
    pub uncopied_since: Timestamp,
    /// Tasks of which so many claims in a row, and at least one, have lapsed or crashed.
    pub crashes_min: u32,
}

/// What is live, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSummary {
    /// Tasks that have not ended, in no order; each combination once.
    pub tasks: Vec<LiveCount>,
    /// Those whose next step is due and that nobody holds, or whose lease has run out.
    pub due: u64,
    /// For how long the first of these has been due; zero if there is none.
    pub due_for: Duration,
    /// Those in the state `collecting` since [`SummaryBounds::uncopied_since`] or longer.
    pub uncopied: u64,
    /// Those with at least [`SummaryBounds::crashes_min`] crashes.
    pub crashing: u64,
    /// Messages to clients' own servers that are still to be received.
    pub messages_waiting: u64,
    /// Messages that were given up.
    pub messages_dead: u64,
}

/// How many live tasks have these in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveCount {
    /// The name of their state.
    pub state: String,
    /// The name of their scope.
    pub scope: String,
    /// Their public model.
    pub model: String,
    /// The account that may be at work on them, if one is.
    pub account: Option<AccountName>,
    /// How many.
    pub count: u64,
}

/// Which tasks are wanted; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskSearch {
    /// The name of their state.
    pub state: Option<String>,
    /// Their scope.
    pub scope: Option<Scope>,
    /// Their public model.
    pub model: Option<String>,
    /// Who made one of their attempts.
    pub account: Option<AccountName>,
    /// Whose they are.
    pub owner: Option<OwnerId>,
    /// Made at this moment or later.
    pub from: Option<Timestamp>,
    /// Made before this moment.
    pub to: Option<Timestamp>,
    /// Those with a smaller id.
    pub after: Option<TaskId>,
    /// At most so many.
    pub limit: usize,
    /// At most so many are looked at; at least one is.
    pub scan_max: usize,
}

/// A part of what was searched for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskPage {
    /// They fit.
    pub tasks: Vec<Task>,
    /// Where to go on ([`TaskSearch::after`]); absent if there is nothing more.
    pub next: Option<TaskId>,
}
