//! Client keys, as digests.

use async_trait::async_trait;
use domain::{Money, OwnerId, Timestamp};
use tokio_postgres::Row;

use super::PostgresStore;
use super::failure::failed;
use super::rows::get;
use super::text::storable;
use crate::{KeyRecord, Keys, StoreError};

const PUT: &str = "INSERT INTO client_keys
        (owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at, dialect, budget)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const BY_DIGEST: &str =
    "SELECT owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at,
        dialect, budget FROM client_keys WHERE digest = $1";
const ALL: &str = "SELECT owner, name, digest, requests_per_minute, concurrent_tasks, created_at, revoked_at,
        dialect, budget FROM client_keys ORDER BY created_at, sequence";
const REVOKE: &str = "UPDATE client_keys SET revoked_at = $2 WHERE owner = $1 AND revoked_at IS NULL";

#[async_trait]
impl Keys for PostgresStore {
    async fn put_key(&self, key: &KeyRecord) -> Result<(), StoreError> {
        let session = self.pool.session().await?;
        let put = session
            .execute(
                PUT,
                [
                    &key.owner.as_str(),
                    &storable(&key.name),
                    &key.digest.as_slice(),
                    &key.requests_per_minute.map(i64::from),
                    &key.concurrent_tasks.map(i64::from),
                    &key.created_at.as_millis(),
                    &key.revoked_at.map(Timestamp::as_millis),
                    &key.dialect,
                    &key.budget.map(Money::billionths),
                ],
            )
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(failure) if failure.violated().is_some() => {
                Err(StoreError::Conflict(format!("a key of owner {} or with the same secret", key.owner)))
            }
            Err(failure) => Err(failed("storing a key")(failure)),
        }
    }

    async fn key(&self, digest: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(BY_DIGEST, [&digest.as_slice()]).await.map_err(failed("reading a key"))?;
        row.as_ref().map(record).transpose()
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let session = self.pool.session().await?;
        session.query(ALL, []).await.map_err(failed("reading keys"))?.iter().map(record).collect()
    }

    async fn revoke_key(&self, owner: &OwnerId, at: Timestamp) -> Result<bool, StoreError> {
        let session = self.pool.session().await?;
        let revoked = session.execute(REVOKE, [&owner.as_str(), &at.as_millis()]).await;
        Ok(revoked.map_err(failed("revoking a key"))? == 1)
    }
}

fn record(row: &Row) -> Result<KeyRecord, StoreError> {
    let digest: &[u8] = get(row, "digest")?;
    Ok(KeyRecord {
        owner: OwnerId::new(get::<String>(row, "owner")?),
        name: get(row, "name")?,
        digest: digest.try_into().map_err(|_| StoreError::Corrupt("digest of a key".to_owned()))?,
        requests_per_minute: bound(row, "requests_per_minute")?,
        concurrent_tasks: bound(row, "concurrent_tasks")?,
        dialect: get(row, "dialect")?,
        budget: get::<Option<i64>>(row, "budget")?.map(Money::from_billionths),
        created_at: Timestamp::from_millis(get(row, "created_at")?),
        revoked_at: get::<Option<i64>>(row, "revoked_at")?.map(Timestamp::from_millis),
    })
}

fn bound(row: &Row, column: &str) -> Result<Option<u32>, StoreError> {
    let number: Option<i64> = get(row, column)?;
    let bound = number.map(u32::try_from).transpose();
    bound.map_err(|_| StoreError::Corrupt(format!("column {column} of a key: {number:?}")))
}
