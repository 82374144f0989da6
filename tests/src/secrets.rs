//! What no log may hold. Every story takes part: its gateways log all that they can, what its clients ask for and what its
//! processes are given is noted here, and each log is searched when its process ends.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The most that a gateway can be told to say, of libraries too.
pub(crate) const LOUDEST: &str = "trace,hyper=trace,hyper_util=trace,h2=trace,rustls=trace,tokio_postgres=trace,\
     redis=trace,hickory_proto=trace,hickory_net=trace,hickory_resolver=trace,tower=trace";
/// Who names this wants the words of upstreams in the log, and so prompts.
pub(crate) const SAID: &str = "filmgate::said";
/// Shorter ones may stand in a log by chance.
const LENGTH_MIN: usize = 8;
/// Of crowds, so many are enough.
const NOTED_MAX: usize = 500;
/// Fields of all APIs that say what shall be made.
const PROMPTS: [&str; 8] =
    ["prompt", "input", "text", "text_prompt", "negative_prompt", "negativePrompt", "lyrics", "instructions"];
/// What variables are called that hold secrets.
const SECRET_VARIABLES: [&str; 5] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"];
/// What stands before a secret, wherever it comes from: a key, the token of a callback's address, a signed URL.
const SHAPES: [&str; 6] = ["Bearer ", "/callbacks/", "?key=", "&key=", "X-Amz-Signature", "whsec_"];

static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// No log may hold `secret` from now on.
pub fn note(secret: &str) {
    let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= LENGTH_MIN && noted.len() < NOTED_MAX {
        noted.insert(secret.to_owned());
    }
}

/// Notes what a request asks for, if its body is JSON.
pub(crate) fn note_prompts(body: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        note_prompts_of(&body);
    }
}

fn note_prompts_of(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if PROMPTS.contains(&name.as_str()) => note(text),
                    _ => note_prompts_of(value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(note_prompts_of),
        _ => {}
    }
}

/// Notes what a variable holds, if it is a secret by its name.
pub(crate) fn note_variable(name: &str, value: &str) {
    if SECRET_VARIABLES.iter().any(|secret| name.contains(secret)) {
        note(value);
    }
}

/// The lines of a log that hold what none may hold, each with what it is.
pub fn found_in(log: &str) -> Vec<String> {
    let noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    // The pattern of a path tells nothing.
    let log = &log.replace("/callbacks/{token}", "");
    let secrets = noted.iter().map(String::as_str).chain(SHAPES);
    let mut found = Vec::new();
    // The whole log first: one with nothing to find is the rule.
    for secret in secrets.filter(|secret| log.contains(secret)) {
        let lines = log.lines().filter(|line| line.contains(secret));
        found.extend(lines.map(|line| format!("\"{secret}\" in: {line}")));
    }
    found
}
