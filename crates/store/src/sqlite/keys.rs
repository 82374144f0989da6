//! Client keys, as digests.

use async_trait::async_trait;
use domain::{Money, OwnerId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, failed, is_unique_violation};
use crate::{KeyRecord, Keys, StoreError};

#[async_trait]
impl Keys for SqliteStore {
    async fn put_key(&self, key: &KeyRecord) -> Result<(), StoreError> {
        let key = key.clone();
        self.writer.write(move |c| put(c, &key)).await
    }

    async fn key(&self, digest: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError> {
        self.read(|c| by_digest(c, digest))
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.scan(all).await
    }

    async fn revoke_key(&self, owner: &OwnerId, at: Timestamp) -> Result<bool, StoreError> {
        let owner = owner.clone();
        self.writer.write(move |c| revoke(c, &owner, at)).await
    }
}

pub(super) fn put(connection: &Connection, key: &KeyRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO client_keys
                   (owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at,
                    dialect, budget)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let insert = || {
        connection.prepare_cached(sql)?.execute(params![
            key.owner.as_str(),
            key.name,
            key.digest,
            key.requests_per_minute,
            key.concurrent_tasks,
            key.created_at.as_millis(),
            key.revoked_at.map(Timestamp::as_millis),
            key.dialect,
            key.budget.map(Money::billionths),
        ])
    };
    match insert() {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => {
            Err(StoreError::Conflict(format!("a key of owner {} or with the same secret", key.owner)))
        }
        Err(error) => Err(failed("storing a key")(error)),
    }
}

pub(super) fn by_digest(connection: &Connection, digest: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError> {
    let sql =
        "SELECT owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at, dialect,
                      budget
               FROM client_keys WHERE digest = ?1";
    let read = || connection.prepare_cached(sql)?.query_row([digest], record).optional();
    read().map_err(failed("reading a key"))
}

pub(super) fn all(connection: &Connection) -> Result<Vec<KeyRecord>, StoreError> {
    let sql =
        "SELECT owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at, dialect,
                      budget
               FROM client_keys ORDER BY created_at, rowid";
    let read = || connection.prepare_cached(sql)?.query_map([], record)?.collect::<rusqlite::Result<_>>();
    read().map_err(failed("reading keys"))
}

pub(super) fn revoke(connection: &Connection, owner: &OwnerId, at: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE client_keys SET revoked_at = ?2 WHERE owner = ?1 AND revoked_at IS NULL";
    let update = || connection.prepare_cached(sql)?.execute(params![owner.as_str(), at.as_millis()]);
    Ok(update().map_err(failed("revoking a key"))? == 1)
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        owner: OwnerId::new(row.get::<_, String>("owner")?),
        name: row.get("name")?,
        digest: row.get("digest")?,
        requests_per_minute: row.get("requests_per_minute")?,
        concurrent_tasks: row.get("concurrent_tasks")?,
        dialect: row.get("dialect")?,
        budget: row.get::<_, Option<i64>>("budget")?.map(Money::from_billionths),
        created_at: Timestamp::from_millis(row.get("created_at")?),
        revoked_at: row.get::<_, Option<i64>>("revoked_at")?.map(Timestamp::from_millis),
    })
}
