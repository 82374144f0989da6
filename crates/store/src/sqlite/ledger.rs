//! What was set aside, spent and freed. Rows are only ever added; one of each kind for a task.

use domain::{Money, Timestamp};
use rusqlite::{Connection, params};

use super::{daily, failed, is_unique_violation};
use crate::StoreError;
pub(super) use crate::entries::{Entry, Late, end, settle_held};

/// Settles what the end of the task has left set aside.
pub(super) fn settle_late(connection: &Connection, late: &Late, now: Timestamp) -> Result<(), StoreError> {
    let reserved = set_aside(connection, late.task()).map_err(failed("reading the ledger"))?;
    append(connection, &late.clone().entries(reserved), now)
}

/// What is still set aside for the task.
fn set_aside(connection: &Connection, task: &str) -> rusqlite::Result<Money> {
    let sql = "SELECT COALESCE(SUM(CASE kind WHEN 'reserve' THEN amount ELSE -amount END), 0) FROM ledger
               WHERE task_id = ?1 AND kind <> 'late_adjustment'";
    connection.prepare_cached(sql)?.query_row([task], |row| row.get(0)).map(Money::from_billionths)
}

/// Adds rows, and changes by as much what their owner has set aside or spent, in all and on the day of the task.
pub(super) fn append(connection: &Connection, entries: &[Entry], now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO ledger (task_id, kind, amount, owner, model, account, handle, at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let append = |entry: &Entry| {
        connection.prepare_cached(sql)?.execute(params![
            entry.task,
            entry.kind,
            entry.amount.billionths(),
            entry.owner,
            entry.model,
            entry.account,
            entry.handle,
            now.as_millis(),
        ])?;
        match entry.commits() {
            0 => Ok(()),
            billionths => commit(connection, entry, billionths),
        }
    };
    for entry in entries {
        append(entry).map_err(|error: rusqlite::Error| match error {
            error if is_unique_violation(&error) => {
                StoreError::Conflict(format!("the {} of task {}", entry.kind, entry.task))
            }
            error => failed("writing the ledger")(error),
        })?;
    }
    Ok(())
}

fn commit(connection: &Connection, entry: &Entry, billionths: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE owners SET committed = committed + ?2 WHERE owner = ?1";
    connection.prepare_cached(sql)?.execute(params![entry.owner, billionths])?;
    daily::change_spend(connection, &entry.task, billionths)
}
