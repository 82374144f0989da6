//! Rows of SQLite, read into those that all back ends share.

use rusqlite::{Connection, Row};

use super::failed;
use crate::StoreError;
pub(super) use crate::rows::{AttemptRow, ChangeRow, NewRow, TaskRow, decode_json};

pub(super) const ATTEMPTS: &str =
    "SELECT number, account, account_version, provider, upstream_model, intended_at, outcome, is_live
                                   FROM attempts WHERE task_id = ?1 ORDER BY number";

impl TaskRow {
    /// Reads a row that has the columns of the same names, without its attempts.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            owner: row.get("owner")?,
            dialect: row.get("dialect")?,
            request: row.get("request")?,
            state_data: row.get("state_data")?,
            created_at: row.get("created_at")?,
            deadline_at: row.get("deadline_at")?,
            quote: row.get("quote")?,
            version: row.get("version")?,
            attempts: Vec::new(),
        })
    }

    /// Adds the task's attempts; to be called in the transaction that read the row.
    pub(super) fn with_attempts(mut self, connection: &Connection) -> Result<Self, StoreError> {
        let read = || {
            let mut statement = connection.prepare_cached(ATTEMPTS)?;
            statement.query_map([&self.id], AttemptRow::read)?.collect::<rusqlite::Result<_>>()
        };
        self.attempts = read().map_err(failed("reading attempts"))?;
        Ok(self)
    }
}

impl AttemptRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            account: row.get("account")?,
            account_version: row.get("account_version")?,
            provider: row.get("provider")?,
            upstream_model: row.get("upstream_model")?,
            intended_at: row.get("intended_at")?,
            outcome: row.get("outcome")?,
            is_live: row.get("is_live")?,
            handle: None,
        })
    }
}
