//! What is past its time.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreError;

/// Deletes what is past its time. The ledger stays for ever.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Deletes up to `max` tasks that ended at least `age` ago, with all that belongs to them but their ledger; how many.
    /// A task stays while a key of idempotency leads to it, its message waits, its upstream is watched, or a result of it
    /// has not expired. Results that would never expire do so with their task.
    async fn purge_tasks(&self, age: Duration, max: usize) -> Result<usize, StoreError>;

    /// Deletes up to `max` keys of idempotency whose lifetimes are over; how many.
    async fn purge_keys(&self, max: usize) -> Result<usize, StoreError>;

    /// Deletes up to `max` rows about what was used on days before yesterday; how many.
    async fn purge_daily(&self, max: usize) -> Result<usize, StoreError>;
}
