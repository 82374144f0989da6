//! Callbacks of upstreams as the store keeps them.

use async_trait::async_trait;
use domain::{AccountName, TaskId};

use crate::StoreError;

/// What upstreams told us by themselves, and what their work is known by.
#[async_trait]
pub trait Callbacks: Send + Sync {
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
