//! What was set aside, spent and freed. Rows are only ever added; one of each kind for a task.

use domain::{AttemptOutcome, Money, Settlement, Task, Timestamp};
use rusqlite::{Connection, params};

use super::{failed, is_unique_violation};
use crate::StoreError;

/// A row to be.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    task: String,
    kind: &'static str,
    amount: Money,
    owner: String,
    model: String,
    account: Option<String>,
    handle: Option<String>,
}

/// What is set aside for a new task; nothing if it is free.
pub(super) fn reserve(task: &Task) -> Option<Entry> {
    let reserved = task.quote.reserved;
    (reserved > Money::ZERO).then(|| entry(task, "reserve", reserved))
}

/// What the end of a task spends and frees; nothing of what it does not.
pub(super) fn end(task: &Task, settlement: Settlement) -> Vec<Entry> {
    let Settlement { captured, released } = settlement;
    let capture = Entry { handle: handle(task), ..paid(task, "capture", captured) };
    let entries = [capture, entry(task, "release", released)];
    entries.into_iter().filter(|entry| entry.amount > Money::ZERO).collect()
}

fn entry(task: &Task, kind: &'static str, amount: Money) -> Entry {
    Entry {
        task: task.id.as_str().to_owned(),
        kind,
        amount,
        owner: task.owner.as_str().to_owned(),
        model: task.request.model.clone(),
        account: None,
        handle: None,
    }
}

fn paid(task: &Task, kind: &'static str, amount: Money) -> Entry {
    let account = task.attempt().map(|attempt| attempt.plan.account.as_str().to_owned());
    Entry { account, ..entry(task, kind, amount) }
}

fn handle(task: &Task) -> Option<String> {
    match &task.attempt()?.outcome {
        AttemptOutcome::Accepted { handle, .. } if !handle.is_empty() => Some(handle.clone()),
        _ => None,
    }
}

/// Adds rows, and changes by as much what their owner has set aside or spent.
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
        if entry.kind == "release" {
            free(connection, &entry.owner, entry.amount)?;
        }
        Ok(())
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

fn free(connection: &Connection, owner: &str, amount: Money) -> rusqlite::Result<()> {
    let sql = "UPDATE owners SET committed = committed - ?2 WHERE owner = ?1";
    connection.prepare_cached(sql)?.execute(params![owner, amount.billionths()])?;
    Ok(())
}
