//! Records of media bytes; the bytes are elsewhere.

use async_trait::async_trait;
use domain::{AssetId, OwnerId, Timestamp};
use tokio_postgres::Row;

use super::PostgresStore;
use super::failure::failed;
use super::rows::{get, limit, signed, unsigned};
use crate::{AssetRecord, Assets, StoreError};

const PUT: &str = "INSERT INTO assets (id, owner, media_type, bytes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)";
const REMOVE: &str = "DELETE FROM assets WHERE id = $1";
const LOAD: &str = "SELECT id, owner, media_type, bytes, created_at, expires_at FROM assets WHERE id = $1";
const EXPIRED: &str = "SELECT id FROM assets
    WHERE expires_at IS NOT NULL AND expires_at <= {now} ORDER BY expires_at LIMIT $1";
/// Passes over those that another sweeper is removing: two that lock many rows could wait for each other.
const REMOVE_EXPIRED: &str = "DELETE FROM assets WHERE id = ANY(ARRAY(
        SELECT id FROM assets WHERE id = ANY($1) AND expires_at <= {now} FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl Assets for PostgresStore {
    async fn put_asset(&self, asset: &AssetRecord) -> Result<(), StoreError> {
        let session = self.pool.session().await?;
        let put = session
            .execute(
                PUT,
                [
                    &asset.id.as_str(),
                    &asset.owner.as_str(),
                    &asset.media_type,
                    &signed(asset.bytes),
                    &asset.created_at.as_millis(),
                    &asset.expires_at.map(Timestamp::as_millis),
                ],
            )
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(failure) if failure.violated().is_some() => {
                Err(StoreError::Conflict(format!("asset {}", asset.id)))
            }
            Err(failure) => Err(failed("storing an asset")(failure)),
        }
    }

    async fn drop_asset(&self, id: &AssetId) -> Result<bool, StoreError> {
        let session = self.pool.session().await?;
        let removed = session.execute(REMOVE, [&id.as_str()]).await;
        Ok(removed.map_err(failed("removing an asset"))? == 1)
    }

    async fn asset(&self, id: &AssetId) -> Result<Option<AssetRecord>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(LOAD, [&id.as_str()]).await.map_err(failed("reading an asset"))?;
        row.as_ref().map(record).transpose()
    }

    async fn expired_assets(&self, max: usize) -> Result<Vec<AssetId>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(EXPIRED, [&limit(max)]).await.map_err(failed("reading expired assets"))?;
        rows.iter().map(|row| get::<String>(row, "id").map(AssetId::new)).collect()
    }

    async fn drop_expired(&self, ids: &[AssetId]) -> Result<(), StoreError> {
        let session = self.pool.session().await?;
        let ids: Vec<&str> = ids.iter().map(AssetId::as_str).collect();
        let removed = session.execute(REMOVE_EXPIRED, [&ids]).await;
        removed.map(drop).map_err(failed("removing expired assets"))
    }
}

fn record(row: &Row) -> Result<AssetRecord, StoreError> {
    Ok(AssetRecord {
        id: AssetId::new(get::<String>(row, "id")?),
        owner: OwnerId::new(get::<String>(row, "owner")?),
        media_type: get(row, "media_type")?,
        bytes: unsigned(row, "bytes")?,
        created_at: Timestamp::from_millis(get(row, "created_at")?),
        expires_at: get::<Option<i64>>(row, "expires_at")?.map(Timestamp::from_millis),
    })
}
