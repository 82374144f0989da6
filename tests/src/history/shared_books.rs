//! The store of several gateways, as it lies in the database.

use serde_json::Value;

use super::{Attempt, Books, Delivery, Entry, Owner, StoredTask};
use crate::psql;

impl Books {
    /// Reads the store in the database of that URL.
    ///
    /// # Panics
    /// If it cannot be read, or is not the store that this knows.
    pub fn of_database(url: &str) -> Self {
        let attempts =
            psql::rows(url, "SELECT task_id, outcome, handle FROM attempts ORDER BY task_id, number");
        let mut tasks: Vec<StoredTask> =
            psql::rows(url, "SELECT id, owner, state, ended_at, request, state_data FROM tasks ORDER BY id")
                .iter()
                .map(task)
                .collect();
        for attempt in &attempts {
            let of = attempt["task_id"].as_str().expect("an attempt has a task");
            let task = tasks.binary_search_by(|task| task.id.as_str().cmp(of)).expect("its task is there");
            tasks[task].attempts.push(Attempt {
                outcome: name(&inner(attempt, "outcome")),
                handle: attempt["handle"].as_str().map(str::to_owned),
            });
        }
        let owners = psql::rows(url, "SELECT owner, live_tasks, committed FROM owners");
        let deliveries =
            psql::rows(url, "SELECT id, task_id, state, tries, encode(body, 'hex') AS body FROM deliveries");
        let ledger = psql::rows(url, "SELECT task_id, owner, kind, amount FROM ledger ORDER BY sequence");
        let keys = psql::rows(url, "SELECT key, task_id FROM idempotency_keys");
        Self {
            tasks,
            owners: owners.iter().map(owner).collect(),
            deliveries: deliveries.iter().map(delivery).collect(),
            ledger: ledger.iter().map(entry).collect(),
            keys: keys.iter().map(|row| (text(row, "key"), text(row, "task_id"))).collect(),
        }
    }
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("no {column} in {row}"))
}

/// JSON that is stored as text.
fn inner(row: &Value, column: &str) -> Value {
    serde_json::from_str(row[column].as_str().unwrap_or_default()).unwrap_or(Value::Null)
}

/// An outcome is a word, or an object with that word as its only name.
fn name(outcome: &Value) -> String {
    let named = outcome.as_object().and_then(|object| object.keys().next().cloned());
    named.or_else(|| outcome.as_str().map(str::to_owned)).unwrap_or_default()
}

fn task(row: &Value) -> StoredTask {
    let (request, state) = (inner(row, "request"), inner(row, "state_data"));
    StoredTask {
        id: text(row, "id"),
        owner: text(row, "owner"),
        prompt: request["prompt"].as_str().unwrap_or_default().to_owned(),
        state: text(row, "state"),
        has_ended: row["ended_at"].is_i64(),
        failure: state.pointer("/failure/kind").and_then(Value::as_str).map(str::to_owned),
        wants_message: request["callback"].is_object(),
        attempts: Vec::new(),
    }
}

fn owner(row: &Value) -> Owner {
    Owner {
        owner: text(row, "owner"),
        live_tasks: number(row, "live_tasks"),
        committed: number(row, "committed"),
    }
}

fn delivery(row: &Value) -> Delivery {
    let hex = text(row, "body");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits are a byte");
    Delivery {
        id: text(row, "id"),
        task: text(row, "task_id"),
        state: text(row, "state"),
        tries: number(row, "tries"),
        body: (0..hex.len()).step_by(2).map(byte).collect(),
    }
}

fn entry(row: &Value) -> Entry {
    Entry {
        task: text(row, "task_id"),
        owner: text(row, "owner"),
        kind: text(row, "kind"),
        amount: number(row, "amount"),
    }
}
