//! The keys of the operator's API.

use domain::{AdminScopes, Credential};

use super::long_key;
use crate::environment::Environment;
use crate::findings::Findings;
use crate::near;
use crate::sections::{AdminKey, Server};
use crate::settings::OperatorKey;

/// What the log calls whoever uses `server.admin_key`.
const ADMIN: &str = "admin";

/// The keys of the operator's API that are complete; `admin_key` is the one that stands for itself.
pub(super) fn resolve(
    server: &Server,
    admin_key: Option<&Credential>,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Vec<OperatorKey> {
    let mut keys: Vec<OperatorKey> = Vec::new();
    for (index, entry) in server.admin_keys.iter().enumerate() {
        let path = format!("server.admin_keys[{index}]");
        check_name(&server.admin_keys[..index], entry, &format!("{path}.name"), findings);
        let scopes = scopes(entry, &format!("{path}.scopes"), findings);
        let path = format!("{path}.key");
        let reference = findings.required(&path, entry.key.as_ref());
        let Some(secret) = long_key(reference, &path, environment, findings) else { continue };
        let earlier = keys.iter().find(|other| other.secret == secret).map(|other| other.name.as_str());
        if let Some(earlier) = earlier.or_else(|| (admin_key == Some(&secret)).then_some(ADMIN)) {
            findings.add(&path, format!("is the same key as that of \"{earlier}\""));
        }
        keys.push(OperatorKey { name: entry.name.clone().unwrap_or_default(), secret, scopes });
    }
    keys
}

fn check_name(earlier: &[AdminKey], entry: &AdminKey, path: &str, findings: &mut Findings<'_>) {
    let Some(name) = findings.required(path, entry.name.as_deref()) else { return };
    findings.name(path, name);
    if name == ADMIN {
        findings.add(path, format!("\"{ADMIN}\" is the name of server.admin_key"));
    }
    if earlier.iter().any(|other| other.name.as_deref() == Some(name)) {
        findings.add(path, format!("\"{name}\" is the name of an earlier key"));
    }
}

fn scopes(entry: &AdminKey, path: &str, findings: &mut Findings<'_>) -> AdminScopes {
    if entry.scopes.is_empty() {
        findings.add(path, format!("must name at least one of {}", AdminScopes::WORDS.join(", ")));
    }
    let mut words = Vec::new();
    for (index, word) in entry.scopes.iter().enumerate() {
        match AdminScopes::parse([word.as_str()]) {
            Ok(_) => words.push(word.as_str()),
            Err(unknown) => {
                let hint = near::suggestion(word, AdminScopes::WORDS);
                findings.add(&format!("{path}[{index}]"), format!("{unknown}{hint}"));
            }
        }
    }
    AdminScopes::parse(words).unwrap_or_else(|_| AdminScopes::none())
}
