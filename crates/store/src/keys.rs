//! Client keys as the store keeps them.

use async_trait::async_trait;
use domain::{Money, OwnerId, Timestamp};

use crate::StoreError;

/// Client keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Stores a client key's digest. A second key with the same digest or owner is [`StoreError::Conflict`].
    async fn put_key(&self, key: &KeyRecord) -> Result<(), StoreError>;

    /// The key with that digest, revoked or not.
    async fn key(&self, digest: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError>;

    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Revokes the key of that owner; false if there is none or it was revoked before.
    async fn revoke_key(&self, owner: &OwnerId, at: Timestamp) -> Result<bool, StoreError>;
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
