//! What upstreams told us by themselves, and what we know their work by.

use async_trait::async_trait;
use domain::{AccountName, TaskId};

use super::PostgresStore;
use super::failure::failed;
use super::rows::get;
use super::text::storable;
use crate::{Callbacks, Heard, StoreError};

/// Notes a callback and makes its task due, both or nothing. Whose task it is then depends on its row as it is by now, not
/// on what it was when the statement began.
const HEAR: &str = "WITH noted AS (
        INSERT INTO inbox (account, digest, task_id, attempt, handle, received_at)
        VALUES ($1, $2, $3, $4, $5, {now}) ON CONFLICT (account, digest) DO NOTHING RETURNING task_id),
    made_due AS (
        UPDATE tasks SET due_at = LEAST(due_at, {now}) FROM noted
        WHERE tasks.id = noted.task_id AND due_at IS NOT NULL AND lease_holder IS NULL RETURNING tasks.id)
    SELECT task_id FROM noted";
/// What a callback that is repeated would do, too, if repetitions were not known.
const MAKE_DUE: &str = "UPDATE tasks SET due_at = LEAST(due_at, {now})
    WHERE id = $1 AND due_at IS NOT NULL AND lease_holder IS NULL";
const HANDLE: &str = "SELECT handle FROM inbox WHERE task_id = $1 AND attempt = $2 AND handle IS NOT NULL
    ORDER BY received_at DESC LIMIT 1";
const KNOWN: &str = "SELECT handle FROM attempts WHERE account = $1 AND handle = ANY($2)";

#[async_trait]
impl Callbacks for PostgresStore {
    async fn hear(&self, heard: &Heard) -> Result<bool, StoreError> {
        let (task, attempt) = &heard.attempt;
        let (account, digest) = (heard.account.as_str(), heard.digest.as_slice());
        let handle = heard.handle.as_deref().map(storable);
        let session = self.pool.session().await?;
        let noted =
            session.first(HEAR, [&account, &digest, &task.as_str(), &i64::from(*attempt), &handle]).await;
        let is_new = noted.map_err(failed("noting a callback"))?.is_some();
        if is_new {
            self.nudging.due();
        }
        if is_new || !failpoints::removed("inbox") {
            return Ok(is_new);
        }
        session.execute(MAKE_DUE, [&task.as_str()]).await.map_err(failed("making a task due"))?;
        Ok(true)
    }

    async fn heard_handle(&self, id: &TaskId, attempt: u32) -> Result<Option<String>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(HANDLE, [&id.as_str(), &i64::from(attempt)]).await;
        row.map_err(failed("reading callbacks"))?.map(|row| get(&row, "handle")).transpose()
    }

    async fn known_handles(
        &self,
        account: &AccountName,
        handles: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let stored: Vec<_> = handles.iter().map(|handle| storable(handle)).collect();
        let session = self.pool.session().await?;
        let rows = session.query(KNOWN, [&account.as_str(), &stored]).await;
        let rows = rows.map_err(failed("looking for handles"))?;
        let known = rows.iter().map(|row| get::<&str>(row, "handle")).collect::<Result<Vec<_>, _>>()?;
        let of_known = handles.iter().zip(&stored).filter(|(_, stored)| known.contains(&stored.as_ref()));
        Ok(of_known.map(|(handle, _)| handle.clone()).collect())
    }
}
