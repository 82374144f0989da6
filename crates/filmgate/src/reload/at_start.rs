//! What of a configuration is read at the start alone, and which keys of it say something else than they did then.

use std::path::Path;

use config::Config;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Inputs;

/// Of `callbacks`, what a reload applies.
const CALLBACKS_APPLIED: [&str; 1] = ["secrets"];
/// Of `limits`, what a reload applies: what is counted, not where.
const LIMITS_APPLIED: [&str; 7] = [
    "requests_per_minute",
    "requests_burst",
    "concurrent_tasks",
    "daily_tasks",
    "daily_spend",
    "budget",
    "queue_max",
];

/// The keys that are read at the start alone, as they stand in the file, and what the files hold that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtStart {
    keys: Value,
}

impl AtStart {
    /// Those of `config`, which was read from `inputs`.
    pub(crate) fn of(config: &Config, inputs: &Inputs) -> Self {
        // Without "..", so that whoever adds a section says here whether a reload applies it.
        let Config {
            server,
            data_dir,
            store,
            tasks,
            retention,
            limits,
            ledger,
            egress,
            callbacks,
            log,
            sandbox,
            // What these two hold is known by the references of server and limits.
            admin_key: _,
            shared_limits_url: _,
            // Applied by a reload.
            callback_secrets: _,
            health: _,
            keys: _,
            default_models: _,
            models: _,
            accounts: _,
            providers: _,
            routes: _,
            reload: _,
            notes: _,
        } = config;
        let sections = [
            ("server", plain(server, &[])),
            ("data_dir", plain(data_dir, &[])),
            ("store", plain(store, &[])),
            ("tasks", plain(tasks, &[])),
            ("retention", plain(retention, &[])),
            ("limits", plain(limits, &LIMITS_APPLIED)),
            ("ledger", plain(ledger, &[])),
            ("egress", plain(egress, &[])),
            ("callbacks", plain(callbacks, &CALLBACKS_APPLIED)),
            ("log", plain(log, &[])),
            ("sandbox", plain(sandbox, &[])),
        ];
        let keys: Map<String, Value> = sections
            .into_iter()
            .map(|(name, section)| (name.to_owned(), with_files(section, inputs)))
            .collect();
        Self { keys: Value::Object(keys) }
    }

    /// The paths of the keys that `now` has otherwise.
    pub(crate) fn changed(&self, now: &Self) -> Vec<String> {
        let mut paths = Vec::new();
        compare(&self.keys, &now.keys, "", &mut paths);
        paths
    }
}

/// A section without what a reload applies.
fn plain(section: &impl Serialize, applied: &[&str]) -> Value {
    let mut section = serde_json::to_value(section).expect("sections are plain data with text for keys");
    if let Value::Object(keys) = &mut section {
        keys.retain(|key, _| !applied.contains(&key.as_str()));
    }
    section
}

/// A value in which each file that it names stands with what it held.
fn with_files(value: Value, inputs: &Inputs) -> Value {
    match value {
        Value::String(text) => {
            let path = Path::new(text.strip_prefix("file:").unwrap_or(&text));
            match inputs.digest(path) {
                Some(digest) => Value::from(vec![text, digest]),
                None => Value::String(text),
            }
        }
        Value::Array(items) => items.into_iter().map(|item| with_files(item, inputs)).collect(),
        Value::Object(keys) => {
            keys.into_iter().map(|(key, value)| (key, with_files(value, inputs))).collect()
        }
        other => other,
    }
}

/// Adds the paths of what differs. A key that is on one side only is told as a whole.
fn compare(then: &Value, now: &Value, path: &str, paths: &mut Vec<String>) {
    let (Value::Object(then), Value::Object(now)) = (then, now) else {
        if then != now {
            paths.push(path.to_owned());
        }
        return;
    };
    let only_now = now.keys().filter(|key| !then.contains_key(*key));
    for key in then.keys().chain(only_now) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (then.get(key), now.get(key)) {
            (Some(then), Some(now)) => compare(then, now, &path, paths),
            _ => paths.push(path),
        }
    }
}
