//! What operators ask and decide.

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
