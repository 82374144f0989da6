//! Assets as the store knows them.

use async_trait::async_trait;
use domain::{AssetId, OwnerId, Timestamp};

use crate::StoreError;

/// Notes of media that we keep; the bytes are elsewhere.
#[async_trait]
pub trait Assets: Send + Sync {
    /// Notes an asset whose bytes are already stored. A second one of that id is [`StoreError::Conflict`].
    async fn put_asset(&self, asset: &AssetRecord) -> Result<(), StoreError>;

    /// Removes the note of an asset. False if there is none.
    async fn drop_asset(&self, id: &AssetId) -> Result<bool, StoreError>;

    /// The asset of that id.
    async fn asset(&self, id: &AssetId) -> Result<Option<AssetRecord>, StoreError>;

    /// Up to `max` assets that have expired: their bytes are to be removed, then their notes.
    async fn expired_assets(&self, max: usize) -> Result<Vec<AssetId>, StoreError>;

    /// Removes the notes of those assets, but of none that has not expired.
    async fn drop_expired(&self, ids: &[AssetId]) -> Result<(), StoreError>;
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
