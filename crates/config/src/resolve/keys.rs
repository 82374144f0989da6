//! Client keys of the file.

use std::collections::BTreeMap;

use domain::{Access, AccountName, ClientLimits, DailyLimits, ModelLimits, Preference};

use crate::Known;
use crate::environment::Environment;
use crate::file::{File, KeyEntry, PerModelEntry};
use crate::findings::Findings;
use crate::near;
use crate::resolve::names::Names;
use crate::resolve::{accounts, limits};
use crate::settings::ClientKey;

/// The shortest client key: shorter ones can be guessed.
const KEY_CHARS_MIN: usize = 16;

/// The client keys of the file that are complete.
pub(super) fn resolve(
    file: &File,
    known: &Known<'_>,
    names: &Names<'_>,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Vec<ClientKey> {
    let mut keys: Vec<(usize, ClientKey)> = Vec::with_capacity(file.keys.len());
    for (index, entry) in file.keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        check_name(&file.keys[..index], entry, &format!("{path}.name"), findings);
        check_dialect(entry, &format!("{path}.dialect"), known, findings);
        let limits = limits(entry, file.limits.of_key(), &path, findings);
        let access = access(entry, &path, names, findings);
        let secret = accounts::credential(entry.key.as_ref(), &format!("{path}.key"), environment, findings);
        let Some(secret) = secret else { continue };
        let name = entry.name.clone().unwrap_or_default();
        let key = ClientKey { name, secret, limits, dialect: entry.dialect.clone(), access };
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

fn limits(entry: &KeyEntry, of_all: ClientLimits, path: &str, findings: &mut Findings<'_>) -> ClientLimits {
    let requests_per_minute = entry.requests_per_minute.unwrap_or(of_all.requests_per_minute);
    findings.positive(&format!("{path}.requests_per_minute"), entry.requests_per_minute == Some(0));
    limits::check_burst(path, entry.requests_burst, requests_per_minute, findings);
    findings.positive(&format!("{path}.concurrent_tasks"), entry.concurrent_tasks == Some(0));
    findings.positive(&format!("{path}.daily_tasks"), entry.daily_tasks == Some(0));
    let own = limits::daily(entry.daily_tasks, entry.daily_spend);
    ClientLimits {
        requests_per_minute,
        requests_burst: entry
            .requests_burst
            .or(of_all.requests_burst)
            .map(|burst| burst.min(requests_per_minute)),
        concurrent_tasks: entry.concurrent_tasks.unwrap_or(of_all.concurrent_tasks),
        budget: entry.budget.map(|budget| budget.0).or(of_all.budget),
        daily: DailyLimits {
            tasks: own.tasks.or(of_all.daily.tasks),
            spend: own.spend.or(of_all.daily.spend),
        },
    }
}

fn access(entry: &KeyEntry, path: &str, names: &Names<'_>, findings: &mut Findings<'_>) -> Access {
    let mut not_empty = |key: &str, list: &Option<Vec<String>>| {
        if list.as_ref().is_some_and(Vec::is_empty) {
            findings.add(&format!("{path}.{key}"), "must name at least one; without it, all may be used");
        }
    };
    not_empty("models", &entry.models);
    not_empty("accounts", &entry.accounts);
    for (index, model) in entry.models.iter().flatten().enumerate() {
        names.model(model, &format!("{path}.models[{index}]"), findings);
    }
    for (index, account) in entry.accounts.iter().flatten().enumerate() {
        names.account(account, &format!("{path}.accounts[{index}]"), findings);
    }
    if let Some(region) = &entry.region {
        names.region(region, &format!("{path}.region"), findings);
    }
    let accounts = entry.accounts.as_ref();
    Access {
        models: entry.models.clone(),
        preference: Preference {
            strategy: entry.strategy,
            official: entry.official.unwrap_or(false),
            price_max: entry.price_max.map(|price| price.0),
            region: entry.region.clone(),
            accounts: accounts.map(|names| names.iter().map(AccountName::new).collect()),
        },
        per_model: per_model(&entry.per_model, &format!("{path}.per_model"), names, findings),
    }
}

fn per_model(
    entries: &[PerModelEntry],
    path: &str,
    names: &Names<'_>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, ModelLimits> {
    let mut limits = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let of_model = ModelLimits {
            requests_per_minute: entry.requests_per_minute,
            concurrent_tasks: entry.concurrent_tasks,
            daily: limits::daily(entry.daily_tasks, entry.daily_spend),
        };
        findings.positive(&format!("{path}.requests_per_minute"), of_model.requests_per_minute == Some(0));
        findings.positive(&format!("{path}.concurrent_tasks"), of_model.concurrent_tasks == Some(0));
        findings.positive(&format!("{path}.daily_tasks"), of_model.daily.tasks == Some(0));
        let path = format!("{path}.model");
        let Some(model) = findings.required(&path, entry.model.as_deref()) else { continue };
        names.model(model, &path, findings);
        if limits.insert(model.to_owned(), of_model).is_some() {
            findings.add(&path, format!("\"{model}\" has an earlier entry"));
        }
    }
    limits
}
