//! Deleting what is past its time. The ledger stays for ever.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AssetId, Timestamp};
use rusqlite::{Connection, params};

use super::{SqliteStore, daily, failed};
use crate::{Retention, StoreError};

/// Ended tasks of which nothing is needed any more: no key of idempotency that still leads to it, no message that is
/// still to be sent, no upstream that is still watched, no result that can still be read.
const PURGEABLE: &str = "SELECT id FROM tasks WHERE ended_at <= ?1
         AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE task_id = tasks.id AND expires_at > ?2)
         AND NOT EXISTS (SELECT 1 FROM deliveries WHERE task_id = tasks.id AND due_at IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM late_watches WHERE task_id = tasks.id AND due_at IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM json_each(tasks.state_data, '$.outputs') AS output
                         JOIN assets ON assets.id = json_extract(output.value, '$.media.stored.asset')
                         WHERE assets.expires_at > ?2)
         AND NOT EXISTS (SELECT 1 FROM late_watches JOIN json_each(late_watches.outputs) AS output
                         JOIN assets ON assets.id = json_extract(output.value, '$.media.stored.asset')
                         WHERE late_watches.task_id = tasks.id AND assets.expires_at > ?2)
     ORDER BY ended_at LIMIT ?3";
/// Results without an end of their own go with their task.
const EXPIRE_RESULTS: &str = "UPDATE assets SET expires_at = ?2 WHERE expires_at IS NULL AND id IN (
         SELECT json_extract(output.value, '$.media.stored.asset')
         FROM tasks JOIN json_each(tasks.state_data, '$.outputs') AS output WHERE tasks.id = ?1
         UNION ALL
         SELECT json_extract(output.value, '$.media.stored.asset')
         FROM late_watches JOIN json_each(late_watches.outputs) AS output WHERE late_watches.task_id = ?1)";
/// What belongs to a task, then the task.
const DELETE_TASK: [&str; 6] = [
    "DELETE FROM idempotency_keys WHERE task_id = ?1",
    "DELETE FROM deliveries WHERE task_id = ?1",
    "DELETE FROM late_watches WHERE task_id = ?1",
    "DELETE FROM inbox WHERE task_id = ?1",
    "DELETE FROM attempts WHERE task_id = ?1",
    "DELETE FROM tasks WHERE id = ?1",
];
const DELETE_KEYS: &str = "DELETE FROM idempotency_keys WHERE (owner, key) IN
         (SELECT owner, key FROM idempotency_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
const EXPIRED: &str = "SELECT id FROM assets WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
const DELETE_EXPIRED: &str = "DELETE FROM assets WHERE id = ?1 AND expires_at <= ?2";

#[async_trait]
impl Retention for SqliteStore {
    async fn purge_tasks(&self, age: Duration, max: usize) -> Result<usize, StoreError> {
        let clock = self.clock.clone();
        self.writer.write(move |c| purge_tasks(c, age, max, clock.now())).await
    }

    async fn purge_keys(&self, max: usize) -> Result<usize, StoreError> {
        let clock = self.clock.clone();
        self.writer.write(move |c| purge_keys(c, max, clock.now())).await
    }

    async fn purge_daily(&self, max: usize) -> Result<usize, StoreError> {
        let clock = self.clock.clone();
        self.writer.write(move |c| daily::purge(c, max, clock.now())).await
    }
}

/// Deletes up to `max` tasks that ended at least `age` ago, with all that belongs to them; how many.
pub(super) fn purge_tasks(
    connection: &Connection,
    age: Duration,
    max: usize,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let ended_by = now.as_millis().saturating_sub(age);
    let purge = || {
        let values = params![ended_by, now.as_millis(), i64::try_from(max).unwrap_or(i64::MAX)];
        let mut statement = connection.prepare_cached(PURGEABLE)?;
        let ids: Vec<String> =
            statement.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for id in &ids {
            connection.prepare_cached(EXPIRE_RESULTS)?.execute(params![id, now.as_millis()])?;
            for sql in DELETE_TASK {
                connection.prepare_cached(sql)?.execute([id])?;
            }
        }
        Ok(ids.len())
    };
    purge().map_err(failed("deleting old tasks"))
}

/// Deletes up to `max` keys of idempotency that have expired; how many.
pub(super) fn purge_keys(connection: &Connection, max: usize, now: Timestamp) -> Result<usize, StoreError> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let delete = || connection.prepare_cached(DELETE_KEYS)?.execute(params![now.as_millis(), max]);
    delete().map_err(failed("deleting expired keys of idempotency"))
}

/// Up to `max` assets that have expired, longest first.
pub(super) fn expired_assets(
    connection: &Connection,
    max: usize,
    now: Timestamp,
) -> Result<Vec<AssetId>, StoreError> {
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let id = |row: &rusqlite::Row<'_>| Ok(AssetId::new(row.get::<_, String>(0)?));
        let mut statement = connection.prepare_cached(EXPIRED)?;
        statement.query_map(params![now.as_millis(), max], id)?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("reading expired assets"))
}

/// Removes the notes of those assets that have expired.
pub(super) fn drop_expired(
    connection: &Connection,
    ids: &[AssetId],
    now: Timestamp,
) -> Result<(), StoreError> {
    let delete = |id: &AssetId| {
        connection.prepare_cached(DELETE_EXPIRED)?.execute(params![id.as_str(), now.as_millis()])
    };
    ids.iter().try_for_each(|id| delete(id).map(|_| ())).map_err(failed("removing expired assets"))
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn what_is_deleted_is_found_without_reading_the_rest() {
        let plan = |sql: &str| query_plan::of(sql).join("\n");
        let indexed = [
            (PURGEABLE, "USING INDEX tasks_ended (ended_at<?)"),
            (DELETE_KEYS, "INDEX idempotency_keys_expiring (expires_at<?)"),
            (EXPIRED, "INDEX assets_expiring (expires_at<?)"),
        ];
        for (sql, index) in indexed {
            assert!(plan(sql).contains(index), "{sql}\n{}", plan(sql));
        }
        // A list within a row may be gone through, a table never.
        for sql in
            [PURGEABLE, EXPIRE_RESULTS, DELETE_KEYS, EXPIRED, DELETE_EXPIRED].iter().chain(&DELETE_TASK)
        {
            let plan = plan(sql);
            let scans =
                plan.lines().filter(|line| line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE"));
            assert_eq!(scans.count(), 0, "{sql}\n{plan}");
        }
    }
}
