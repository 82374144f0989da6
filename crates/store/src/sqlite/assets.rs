//! Records of media bytes; the bytes are elsewhere.

use async_trait::async_trait;
use domain::{AssetId, OwnerId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, failed, is_unique_violation, retention};
use crate::{AssetRecord, Assets, StoreError};

#[async_trait]
impl Assets for SqliteStore {
    async fn put_asset(&self, asset: &AssetRecord) -> Result<(), StoreError> {
        let asset = asset.clone();
        self.writer.write(move |c| put(c, &asset)).await
    }

    async fn drop_asset(&self, id: &AssetId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.write(move |c| remove(c, &id)).await
    }

    async fn asset(&self, id: &AssetId) -> Result<Option<AssetRecord>, StoreError> {
        self.read(|c| load(c, id))
    }

    async fn expired_assets(&self, max: usize) -> Result<Vec<AssetId>, StoreError> {
        let clock = self.clock.clone();
        self.scan(move |c| retention::expired_assets(c, max, clock.now())).await
    }

    async fn drop_expired(&self, ids: &[AssetId]) -> Result<(), StoreError> {
        let (ids, clock) = (ids.to_vec(), self.clock.clone());
        self.writer.write(move |c| retention::drop_expired(c, &ids, clock.now())).await
    }
}

pub(super) fn put(connection: &Connection, asset: &AssetRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO assets (id, owner, media_type, bytes, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let insert = || {
        connection.prepare_cached(sql)?.execute(params![
            asset.id.as_str(),
            asset.owner.as_str(),
            asset.media_type,
            asset.bytes,
            asset.created_at.as_millis(),
            asset.expires_at.map(Timestamp::as_millis),
        ])
    };
    match insert() {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(StoreError::Conflict(format!("asset {}", asset.id))),
        Err(error) => Err(failed("storing an asset")(error)),
    }
}

pub(super) fn remove(connection: &Connection, id: &AssetId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM assets WHERE id = ?1";
    let delete = || connection.prepare_cached(sql)?.execute([id.as_str()]);
    Ok(delete().map_err(failed("removing an asset"))? == 1)
}

pub(super) fn load(connection: &Connection, id: &AssetId) -> Result<Option<AssetRecord>, StoreError> {
    let sql = "SELECT owner, media_type, bytes, created_at, expires_at FROM assets WHERE id = ?1";
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let record = |row: &rusqlite::Row<'_>| {
            Ok(AssetRecord {
                id: id.clone(),
                owner: OwnerId::new(row.get::<_, String>("owner")?),
                media_type: row.get("media_type")?,
                bytes: row.get("bytes")?,
                created_at: Timestamp::from_millis(row.get("created_at")?),
                expires_at: row.get::<_, Option<i64>>("expires_at")?.map(Timestamp::from_millis),
            })
        };
        statement.query_row([id.as_str()], record).optional()
    };
    read().map_err(failed("reading an asset"))
}
