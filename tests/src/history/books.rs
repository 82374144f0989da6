//! The gateway's store as it lies on the disk. Read with plain SQL, beside the code that is being tested.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;

/// The store, in a gateway's folder of data.
const FILE: &str = "filmgate.db";
/// How long others may be waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store that takes nothing.
#[derive(Debug)]
pub struct Lock {
    _connection: Connection,
}

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// All tasks.
    pub tasks: Vec<StoredTask>,
    /// All owners.
    pub owners: Vec<Owner>,
    /// All messages to clients' servers.
    pub deliveries: Vec<Delivery>,
    /// The ledger, oldest first.
    pub ledger: Vec<Entry>,
    /// Keys of idempotency, each with its task.
    pub keys: Vec<(String, String)>,
}

/// A task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTask {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What was asked for.
    pub prompt: String,
    /// The name of its state.
    pub state: String,
    /// Whether it has ended.
    pub has_ended: bool,
    /// Why it failed, if it did: the kind of failure.
    pub failure: Option<String>,
    /// Whether its client wants to be told of its end.
    pub wants_message: bool,
    /// Its submissions, oldest first.
    pub attempts: Vec<Attempt>,
}

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The name of its outcome.
    pub outcome: String,
    /// The upstream's own id, if it is known.
    pub handle: Option<String>,
}

/// Who has tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name.
    pub owner: String,
    /// Tasks that are counted as live.
    pub live_tasks: i64,
    /// What is counted as set aside or spent, in billionths.
    pub committed: i64,
}

/// A message to a client's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The task whose end it tells.
    pub task: String,
    /// `waiting`, `delivered` or `dead`.
    pub state: String,
    /// Tries that were counted.
    pub tries: i64,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The task that it is for.
    pub task: String,
    /// Whose money it is.
    pub owner: String,
    /// `reserve`, `capture`, `release` or `late_adjustment`.
    pub kind: String,
    /// In billionths.
    pub amount: i64,
}

impl StoredTask {
    /// Whether nobody knows what became of a submission, and the task ended so.
    pub fn is_held(&self) -> bool {
        self.failure.as_deref() == Some("outcome_unknown")
    }
}

impl Books {
    /// Reads the store in a gateway's folder of data, whether a gateway serves it or not.
    ///
    /// # Errors
    /// If it cannot be read, or is not the store that this knows.
    pub fn read(data: &Path) -> rusqlite::Result<Self> {
        let connection = open(data)?;
        // One snapshot, also while somebody writes.
        connection.execute_batch("BEGIN")?;
        let mut tasks: Vec<StoredTask> =
            all(&connection, "SELECT * FROM tasks ORDER BY created_at, id", task)?;
        let sql = "SELECT task_id, outcome, handle FROM attempts ORDER BY task_id, number";
        let mut attempts: Vec<(String, Attempt)> = all(&connection, sql, attempt)?;
        attempts.reverse();
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        for task in &mut tasks {
            while let Some((_, attempt)) = attempts.pop_if(|(id, _)| *id == task.id) {
                task.attempts.push(attempt);
            }
        }
        Ok(Self {
            tasks,
            owners: all(&connection, "SELECT * FROM owners", owner)?,
            deliveries: all(&connection, "SELECT * FROM deliveries", delivery)?,
            ledger: all(&connection, "SELECT * FROM ledger ORDER BY sequence", entry)?,
            keys: all(&connection, "SELECT key, task_id FROM idempotency_keys", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?,
        })
    }

    /// How many tasks are live, by the name of their state; cheap however many have ended.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn live(data: &Path) -> rusqlite::Result<Vec<(String, i64)>> {
        let sql = "SELECT state, COUNT(*) FROM tasks WHERE due_at IS NOT NULL GROUP BY state";
        all(&open(data)?, sql, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// How many tasks that nobody works on, and of which nothing has begun, are not due within two seconds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn waiting(data: &Path) -> rusqlite::Result<i64> {
        let sql = "SELECT COUNT(*) FROM tasks WHERE state = 'queued' AND due_at > unixepoch() * 1000 + 2000";
        open(data)?.query_row(sql, [], |row| row.get(0))
    }

    /// Keeps the store from taking anything until the lock is dropped.
    ///
    /// # Errors
    /// If it cannot be opened, or somebody else keeps it for long.
    pub fn lock(data: &Path) -> rusqlite::Result<Lock> {
        let connection = Connection::open(data.join(FILE))?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Lock { _connection: connection })
    }

    /// How many messages wait to be sent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn messages_waiting(data: &Path) -> rusqlite::Result<i64> {
        let sql = "SELECT COUNT(*) FROM deliveries WHERE due_at IS NOT NULL";
        open(data)?.query_row(sql, [], |row| row.get(0))
    }
}

fn open(data: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(data.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], |row| read(row))?.collect()
}

fn json(row: &Row<'_>, column: &str) -> rusqlite::Result<Value> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn task(row: &Row<'_>) -> rusqlite::Result<StoredTask> {
    let (request, state) = (json(row, "request")?, json(row, "state_data")?);
    let failure = state.pointer("/failure/kind").and_then(Value::as_str);
    Ok(StoredTask {
        id: row.get("id")?,
        owner: row.get("owner")?,
        prompt: request["prompt"].as_str().unwrap_or_default().to_owned(),
        state: row.get("state")?,
        has_ended: row.get::<_, Option<i64>>("ended_at")?.is_some(),
        failure: failure.map(str::to_owned),
        wants_message: request["callback"].is_object(),
        attempts: Vec::new(),
    })
}

/// An outcome is a word, or an object with that word as its only name.
fn attempt(row: &Row<'_>) -> rusqlite::Result<(String, Attempt)> {
    let outcome = json(row, "outcome")?;
    let named = outcome.as_object().and_then(|object| object.keys().next().cloned());
    let outcome = named.or_else(|| outcome.as_str().map(str::to_owned)).unwrap_or_default();
    Ok((row.get("task_id")?, Attempt { outcome, handle: row.get("handle")? }))
}

fn owner(row: &Row<'_>) -> rusqlite::Result<Owner> {
    Ok(Owner {
        owner: row.get("owner")?,
        live_tasks: row.get("live_tasks")?,
        committed: row.get("committed")?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: row.get("id")?,
        task: row.get("task_id")?,
        state: row.get("state")?,
        tries: row.get("tries")?,
        body: row.get("body")?,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        task: row.get("task_id")?,
        owner: row.get("owner")?,
        kind: row.get("kind")?,
        amount: row.get("amount")?,
    })
}
