//! What upstreams told us by themselves, and what we know their work by.

use async_trait::async_trait;
use domain::{AccountName, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, failed, wishes};
use crate::{Callbacks, Heard, StoreError};

#[async_trait]
impl Callbacks for SqliteStore {
    async fn hear(&self, heard: &Heard) -> Result<bool, StoreError> {
        let (heard, clock) = (heard.clone(), self.clock.clone());
        self.writer.write(move |c| hear(c, &heard, clock.now())).await
    }

    async fn heard_handle(&self, id: &TaskId, attempt: u32) -> Result<Option<String>, StoreError> {
        self.read(|c| handle(c, id, attempt))
    }

    async fn known_handles(
        &self,
        account: &AccountName,
        handles: &[String],
    ) -> Result<Vec<String>, StoreError> {
        self.read(|c| known_handles(c, account, handles))
    }
}

/// Notes a callback and makes its task due; false if it is known.
pub(super) fn hear(connection: &Connection, heard: &Heard, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO inbox (account, digest, task_id, attempt, handle, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account, digest) DO NOTHING";
    let (task, attempt) = &heard.attempt;
    let insert = || {
        connection.prepare_cached(sql)?.execute(params![
            heard.account.as_str(),
            heard.digest,
            task.as_str(),
            attempt,
            heard.handle,
            now.as_millis(),
        ])
    };
    let is_new = insert().map_err(failed("noting a callback"))? == 1 || failpoints::removed("inbox");
    if is_new {
        wishes::make_due(connection, task, now)?;
    }
    Ok(is_new)
}

/// The handle that a callback to that attempt named; the latest if several differ.
pub(super) fn handle(
    connection: &Connection,
    id: &TaskId,
    attempt: u32,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT handle FROM inbox WHERE task_id = ?1 AND attempt = ?2 AND handle IS NOT NULL
               ORDER BY received_at DESC LIMIT 1";
    let values = params![id.as_str(), attempt];
    let read = || connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional();
    read().map_err(failed("reading callbacks"))
}

/// Those of `handles` that an attempt of `account` has.
pub(super) fn known_handles(
    connection: &Connection,
    account: &AccountName,
    handles: &[String],
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM attempts WHERE account = ?1 AND handle = ?2)";
    let is_known = |handle: &String| {
        let values = params![account.as_str(), handle];
        connection.prepare_cached(sql)?.query_row(values, |row| row.get::<_, bool>(0))
    };
    let mut known = Vec::new();
    for handle in handles {
        if is_known(handle).map_err(failed("looking for a handle"))? {
            known.push(handle.clone());
        }
    }
    Ok(known)
}
