//! What operators look at closely.

use async_trait::async_trait;
use domain::{Money, OwnerId, Task, TaskId, Timestamp};

use crate::{Delivery, DeliveryState, LedgerRow, StoreError};

/// Single things with all that belongs to them, and long lists in parts. Nothing is changed.
#[async_trait]
pub trait Inspections: Send + Sync {
    /// The task of that id with what is known of it besides, also one that its owner has forgotten.
    async fn task_file(&self, id: &TaskId) -> Result<Option<TaskFile>, StoreError>;

    /// The message of that id.
    async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError>;

    /// Up to `max` messages in that state, by descending id (ids that the gateway makes begin with their time, so these are
    /// the newest first), of those with a smaller id than `before`.
    async fn deliveries_before(
        &self,
        state: DeliveryState,
        before: Option<&str>,
        max: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// What these owners use, in their order.
    async fn owner_use(&self, owners: &[OwnerId]) -> Result<Vec<OwnerUse>, StoreError>;
}

/// A task with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFile {
    /// The task.
    pub task: Task,
    /// When somebody looks at it next, or its lease runs out; absent once it has ended.
    pub due_at: Option<Timestamp>,
    /// How many claims in a row have lapsed or crashed.
    pub crashes: u32,
    /// When its owner asked to stop it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Since when it does not exist for its owner.
    pub forgotten_at: Option<Timestamp>,
    /// Its rows of the ledger, in the order in which they were written.
    pub ledger: Vec<LedgerRow>,
    /// The message that tells of its end.
    pub delivery: Option<Delivery>,
}

/// What an owner uses of what it may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerUse {
    /// Tasks that have not ended.
    pub live_tasks: u32,
    /// What is set aside and spent.
    pub committed: Money,
}
