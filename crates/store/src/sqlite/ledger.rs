//! What was set aside, spent and freed. Rows are only ever added; one of each kind for a task.

use domain::{AttemptOutcome, Money, Settlement, Task, Timestamp};
use rusqlite::{Connection, params};

use super::{daily, failed, is_unique_violation};
use crate::{HeldMoney, StoreError};

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

/// What was heard of an upstream after the end of its task, in money.
#[derive(Debug, Clone)]
pub(super) struct Late {
    paid: Entry,
    release: Entry,
}

impl Late {
    /// It charges that price for the work of that handle.
    pub(super) fn charged(task: &Task, price: Money, handle: &str) -> Self {
        let paid = Entry { handle: Some(handle.to_owned()), ..paid(task, "capture", price) };
        Self { paid, release: entry(task, "release", Money::ZERO) }
    }

    /// It charges nothing.
    pub(super) fn free_of_charge(task: &Task) -> Self {
        Self { paid: paid(task, "capture", Money::ZERO), release: entry(task, "release", Money::ZERO) }
    }
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
    without_nothing([capture, entry(task, "release", released)])
}

/// The same for a task that has ended before with its money still set aside, and may be gone.
pub(super) fn settle_held(held: &HeldMoney, settlement: Settlement) -> Vec<Entry> {
    let entry = |kind, amount, account| Entry {
        task: held.task.as_str().to_owned(),
        kind,
        amount,
        owner: held.owner.as_str().to_owned(),
        model: held.model.clone(),
        account,
        handle: None,
    };
    let account = held.account.as_ref().map(|account| account.as_str().to_owned());
    let Settlement { captured, released } = settlement;
    without_nothing([entry("capture", captured, account), entry("release", released, None)])
}

/// Settles what the end of the task has left set aside. If that was freed, what is charged is added as an adjustment: a
/// task's reserve is always the sum of its capture and its release.
pub(super) fn settle_late(connection: &Connection, late: &Late, now: Timestamp) -> Result<(), StoreError> {
    let Late { paid, release } = late.clone();
    let reserved = set_aside(connection, &release.task).map_err(failed("reading the ledger"))?;
    let entries = if reserved > Money::ZERO {
        let Settlement { captured, released } = Settlement::capture(reserved, paid.amount);
        without_nothing([Entry { amount: captured, ..paid }, Entry { amount: released, ..release }])
    } else {
        without_nothing([Entry { kind: "late_adjustment", ..paid }])
    };
    append(connection, &entries, now)
}

fn without_nothing<const N: usize>(entries: [Entry; N]) -> Vec<Entry> {
    entries.into_iter().filter(|entry| entry.amount > Money::ZERO).collect()
}

/// What is still set aside for the task.
fn set_aside(connection: &Connection, task: &str) -> rusqlite::Result<Money> {
    let sql = "SELECT COALESCE(SUM(CASE kind WHEN 'reserve' THEN amount ELSE -amount END), 0) FROM ledger
               WHERE task_id = ?1 AND kind <> 'late_adjustment'";
    connection.prepare_cached(sql)?.query_row([task], |row| row.get(0)).map(Money::from_billionths)
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
        match entry.kind {
            "release" => commit(connection, entry, -entry.amount.billionths()),
            "late_adjustment" => commit(connection, entry, entry.amount.billionths()),
            _ => Ok(()),
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
