//! What of a configuration is read at the start alone, and which keys of it say something else than they did then.

use std::path::Path;

use config::Config;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Inputs;

/// Of `server`, what a reload applies.
const SERVER_APPLIED: [&str; 2] = ["admin_key", "admin_keys"];
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
            media_dir,
            store,
            tasks,
            retention,
            limits,
            ledger,
            egress,
            callbacks,
            log,
            traces,
            sandbox,
            // What these hold is known by the references of server, store and limits.
            postgres_url: _,
            admin_key: _,
            admin_keys: _,
            callback_key: _,
            shared_limits_url: _,
            trace_headers: _,
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
            ("server", plain(server, &SERVER_APPLIED)),
            ("data_dir", plain(data_dir, &[])),
            ("media_dir", plain(media_dir, &[])),
            ("store", plain(store, &[])),
            ("tasks", plain(tasks, &[])),
            ("retention", plain(retention, &[])),
            ("limits", plain(limits, &LIMITS_APPLIED)),
            ("ledger", plain(ledger, &[])),
            ("egress", plain(egress, &[])),
            ("callbacks", plain(callbacks, &CALLBACKS_APPLIED)),
            ("log", plain(log, &[])),
            ("traces", plain(traces, &[])),
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

#[cfg(test)]
mod tests {
    use config::Environment;
    use serde_json::json;

    use super::*;
    use crate::reload::Recorder;
    use crate::{setup, source};

    /// A config file; every other file and every variable holds a secret.
    struct World(Value);

    impl Environment for World {
        fn variable(&self, name: &str) -> Option<String> {
            let url = "postgres://secret@db.example/filmgate";
            Some(if name.ends_with("_URL") {
                url.to_owned()
            } else {
                format!("the-secret-of-the-variable-{name}")
            })
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            Ok(if path == Path::new("config") {
                self.0.to_string()
            } else {
                "a-secret-that-is-in-a-file".into()
            })
        }
    }

    /// What is read at the start, and what the setup shows of itself, in an order that does not depend on hashing.
    fn read(file: Value) -> Option<(AtStart, Vec<String>)> {
        let config = source::load_in(Path::new("config"), &World(file)).ok()?;
        let setup = format!("{:#?}", setup::build(&config, None).ok()?);
        let mut lines: Vec<String> = setup.lines().map(str::to_owned).collect();
        lines.sort();
        Some((AtStart::of(&config, &Inputs::default()), lines))
    }

    fn with(path: &str, value: Value) -> Value {
        let account =
            json!({ "name": "a", "provider": "v2", "base_url": "https://a.example", "credential": "env:A" });
        let mut file = json!({ "accounts": [account] });
        let last = path.split('.').fold(&mut file, |place, key| &mut place[key]);
        *last = value;
        file
    }

    /// What else a key might say that says this by default, or by way of example.
    fn others(said: &Value) -> Vec<Value> {
        match said {
            Value::Bool(said) => vec![json!(!said)],
            Value::Number(said) => {
                vec![json!(said.as_u64().unwrap_or(0) + 1), json!(0.5), said.clone().into()]
            }
            Value::String(said) => {
                let digits = said.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
                let more = said[..digits].parse().map(|n: u64| format!("{}{}", n + 1, &said[digits..]));
                let words =
                    ["59s", "127.0.0.1:7", "veo3", "dall-e-2", "minimax-tts", "json", "debug", "other"];
                let words = words.into_iter().map(Value::from);
                more.into_iter().map(Value::from).chain([said.clone().into()]).chain(words).collect()
            }
            Value::Array(said) if *said == [json!("*")] => vec![json!(["https://example.com"])],
            other => vec![other.clone()],
        }
    }

    /// What may stand in the lists, whose examples are only of single keys.
    fn list(path: &str) -> Option<Value> {
        Some(match path {
            "keys" => json!([{ "name": "k", "key": "env:K" }]),
            "server.admin_keys" => json!([{ "name": "a", "key": "env:ADMIN_K", "scopes": ["read"] }]),
            "traces.headers" => json!([{ "name": "authorization", "value": "env:K" }]),
            "models" => json!([{ "name": "m", "scope": "images" }]),
            "accounts" => {
                json!([{ "name": "b", "provider": "v2", "base_url": "https://b.example", "credential": "file:b" }])
            }
            "providers" => json!([{ "provider": "v2", "requests_per_minute": 5 }]),
            "routes" => json!([{ "model": "nano-banana", "accounts": ["a"] }]),
            _ => return None,
        })
    }

    /// The paths of all keys, each with what it says by default or by way of example.
    fn keys(schema: &Value, object: &Value, path: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for (key, property) in object["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let section = section(schema, property);
            if let (Some(section), true) = (section, property.get("default").is_some()) {
                all.extend(keys(schema, section, &path));
            } else if let Some(section) = section {
                let required = section["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let examples =
                    required.map(|key| (key.to_owned(), section["properties"][key]["examples"][0].clone()));
                all.push((path, Value::Object(examples.collect())));
            } else {
                let said = list(&path).or(property.get("default").cloned().filter(|said| !said.is_null()));
                all.push((path, said.unwrap_or_else(|| property["examples"][0].clone())));
            }
        }
        all
    }

    /// The object that a property is, if it is one.
    fn section<'a>(schema: &'a Value, property: &'a Value) -> Option<&'a Value> {
        let forms = property["anyOf"].as_array().into_iter().flatten().chain([property]);
        let mut named = forms.filter_map(|form| form["$ref"].as_str()?.strip_prefix("#/$defs/"));
        named.find_map(|name| Some(&schema["$defs"][name]).filter(|form| form["properties"].is_object()))
    }

    /// So that no key can be added that does nothing at run time and is not named either.
    #[test]
    fn every_key_is_either_applied_by_a_reload_or_named() {
        let (then, setup_then) = read(with("reload", json!({}))).unwrap();
        let schema = config::schema();
        let (mut named, mut applied, mut neither) = (0, 0, Vec::new());
        for (path, said) in keys(&schema, &schema, "") {
            let changes = others(&said).into_iter().filter_map(|value| {
                let (now, setup) = read(with(&path, value))?;
                let differs = (then.changed(&now), setup != setup_then);
                (path == "reload.watch_every" || differs.1 || !differs.0.is_empty()).then_some(differs)
            });
            match changes.into_iter().next() {
                Some((names, false)) if names == [path.as_str()] => named += 1,
                Some((names, true)) if names.is_empty() => applied += 1,
                Some((names, false)) if names.is_empty() => neither.push(path),
                Some((names, setup)) => panic!("{path}: named {names:?}, and applied: {setup}"),
                None => panic!("{path}: nothing that it may say makes a difference, by what the test tries"),
            }
        }
        assert_eq!(neither, ["reload.watch_every"], "which the reloader itself looks at");
        assert!(named > 50 && applied > 15, "{named} named, {applied} applied");
    }

    #[test]
    fn what_a_file_holds_counts_as_what_the_key_says_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, key) = (folder.path().join("filmgate.yaml"), folder.path().join("callback.key"));
        std::fs::write(
            &file,
            json!({ "server": { "callback_key": format!("file:{}", key.display()) } }).to_string(),
        )
        .unwrap();
        let at_start = |secret: &str| {
            std::fs::write(&key, secret).unwrap();
            let recorder = Recorder::default();
            let config = source::load_in(&file, &recorder).unwrap();
            AtStart::of(&config, &recorder.inputs())
        };
        let first = at_start("the-first-key-of-callbacks");
        assert_eq!(first.changed(&at_start("the-second-key-of-callbacks")), ["server.callback_key"]);
        assert_eq!(first.changed(&at_start("the-first-key-of-callbacks")), [""; 0]);
    }
}
