//! Client keys of the file.

use crate::Known;
use crate::environment::Environment;
use crate::file::{File, KeyEntry};
use crate::findings::Findings;
use crate::near;
use crate::resolve::accounts;
use crate::settings::ClientKey;

/// The shortest client key: shorter ones can be guessed.
const KEY_CHARS_MIN: usize = 16;

/// The client keys of the file that are complete.
pub(super) fn resolve(
    file: &File,
    known: &Known<'_>,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Vec<ClientKey> {
    let mut keys: Vec<(usize, ClientKey)> = Vec::with_capacity(file.keys.len());
    for (index, entry) in file.keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        check_name(&file.keys[..index], entry, &format!("{path}.name"), findings);
        let Some(key) = key(file, entry, &path, environment, findings) else { continue };
        check_dialect(entry, &format!("{path}.dialect"), known, findings);
        let path = format!("{path}.key");
        if key.secret.expose().len() < KEY_CHARS_MIN {
            findings.add(&path, format!("must have at least {KEY_CHARS_MIN} characters"));
        }
        if let Some((earlier, _)) = keys.iter().find(|(_, other)| other.secret == key.secret) {
            findings.add(&path, format!("is the same key as that of keys[{earlier}]"));
        }
        keys.push((index, key));
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

fn check_name(earlier: &[KeyEntry], entry: &KeyEntry, path: &str, findings: &mut Findings<'_>) {
    let Some(name) = findings.required(path, entry.name.as_deref()) else { return };
    findings.name(path, name);
    if earlier.iter().any(|other| other.name.as_deref() == Some(name)) {
        findings.add(path, format!("\"{name}\" is the name of an earlier key"));
    }
}

fn check_dialect(entry: &KeyEntry, path: &str, known: &Known<'_>, findings: &mut Findings<'_>) {
    let Some(dialect) = entry.dialect.as_deref() else { return };
    if !known.dialects.contains(&dialect) {
        let hint = near::suggestion(dialect, known.dialects.iter().copied());
        let all = known.dialects.join(", ");
        findings.add(path, format!("there is no dialect \"{dialect}\"; the dialects are {all}{hint}"));
    }
}

fn key(
    file: &File,
    entry: &KeyEntry,
    path: &str,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<ClientKey> {
    let secret = accounts::credential(entry.key.as_ref(), &format!("{path}.key"), environment, findings);
    let requests_per_minute = entry.requests_per_minute.unwrap_or(file.limits.requests_per_minute);
    let concurrent_tasks = entry.concurrent_tasks.unwrap_or(file.limits.concurrent_tasks);
    findings.positive(&format!("{path}.requests_per_minute"), entry.requests_per_minute == Some(0));
    findings.positive(&format!("{path}.concurrent_tasks"), entry.concurrent_tasks == Some(0));
    Some(ClientKey {
        name: entry.name.clone().unwrap_or_default(),
        secret: secret?,
        requests_per_minute,
        concurrent_tasks,
        budget: entry.budget.map(|budget| budget.0).or(file.limits.budget),
        dialect: entry.dialect.clone(),
    })
}
