//! Accounts of the file.

use domain::{Account, AccountName, Credential, Pace};

use crate::Known;
use crate::environment::{Environment, SecretRef};
use crate::file::{AccountEntry, PollEntry};
use crate::findings::Findings;
use crate::near;
use crate::resolve::{bounds, limits};

const REQUESTS_PER_MINUTE: u32 = 10_000;
const CONCURRENT_TASKS: u32 = 1000;
/// What the Standard Webhooks specification asks of a secret. Providers that make one for their customers by another rule do
/// not say how long it is.
const CALLBACK_SECRET_BYTES_MIN: usize = 24;

/// The accounts of the file that are complete.
pub(super) fn resolve(
    entries: &[AccountEntry],
    known: &Known<'_>,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Vec<Account> {
    let each = entries.iter().enumerate();
    each.filter_map(|(index, entry)| {
        let path = format!("accounts[{index}]");
        check_name(&entries[..index], entry, &format!("{path}.name"), findings);
        check_provider(entry.provider.as_deref(), known, &format!("{path}.provider"), findings);
        account(entry, &path, environment, findings)
    })
    .collect()
}

fn check_name(earlier: &[AccountEntry], entry: &AccountEntry, path: &str, findings: &mut Findings<'_>) {
    let Some(name) = findings.required(path, entry.name.as_deref()) else { return };
    findings.name(path, name);
    if earlier.iter().any(|other| other.name.as_deref() == Some(name)) {
        findings.add(path, format!("\"{name}\" is the name of an earlier account"));
    }
}

/// Notes a provider that is missing or unknown.
pub(super) fn check_provider(
    provider: Option<&str>,
    known: &Known<'_>,
    path: &str,
    findings: &mut Findings<'_>,
) {
    let Some(provider) = findings.required(path, provider) else { return };
    if !known.providers.contains(&provider) {
        let hint = near::suggestion(provider, known.providers.iter().copied());
        let all = known.providers.join(", ");
        findings.add(path, format!("there is no provider \"{provider}\"; the providers are {all}{hint}"));
    }
}

fn account(
    entry: &AccountEntry,
    path: &str,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Account> {
    let base_url = base_url(entry, &format!("{path}.base_url"), findings);
    let files_url = entry.files_url.as_deref().and_then(|text| {
        bounds::base_url(text).map_err(|message| findings.add(&format!("{path}.files_url"), message)).ok()
    });
    let callback_secret = callback_secret(entry, &format!("{path}.callback_secret"), environment, findings);
    let callback_keys_url = entry.callback_keys_url.clone().filter(|text| {
        let is_url = bounds::base_url(text);
        is_url.map_err(|message| findings.add(&format!("{path}.callback_keys_url"), message)).is_ok()
    });
    let credential =
        credential(entry.credential.as_ref(), &format!("{path}.credential"), environment, findings);
    let requests_per_minute = entry.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE);
    let concurrent_tasks = entry.concurrent_tasks.unwrap_or(CONCURRENT_TASKS);
    findings.positive(&format!("{path}.requests_per_minute"), requests_per_minute == 0);
    findings.positive(&format!("{path}.concurrent_tasks"), concurrent_tasks == 0);
    findings.positive(&format!("{path}.daily_tasks"), entry.daily_tasks == Some(0));
    let regions = entry.regions.clone().unwrap_or_default();
    for (index, region) in regions.iter().enumerate() {
        findings.name(&format!("{path}.regions[{index}]"), region);
    }
    let pace = entry.poll.as_ref().and_then(|poll| pace(poll, &format!("{path}.poll"), findings));
    Some(Account {
        name: AccountName::new(entry.name.clone()?),
        provider: entry.provider.clone()?,
        base_url: base_url?,
        files_url,
        callback_secret,
        callback_keys_url,
        official: entry.official.unwrap_or(false),
        credential: credential?,
        requests_per_minute,
        concurrent_tasks,
        daily: limits::daily(entry.daily_tasks, entry.daily_spend),
        regions,
        version: String::new(),
        pace,
        on_unknown: entry.on_unknown.unwrap_or_default(),
    })
}

fn base_url(entry: &AccountEntry, path: &str, findings: &mut Findings<'_>) -> Option<String> {
    let text = findings.required(path, entry.base_url.as_deref())?;
    bounds::base_url(text).map_err(|message| findings.add(path, message)).ok()
}

/// The secret behind a required reference.
pub(super) fn credential(
    reference: Option<&SecretRef>,
    path: &str,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Credential> {
    let secret = findings.required(path, reference)?.resolve(environment);
    secret.map(Credential::new).map_err(|message| findings.add(path, message)).ok()
}

/// The secret that callbacks are signed with. One that can be guessed lets everybody sign.
fn callback_secret(
    entry: &AccountEntry,
    path: &str,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Credential> {
    let secret = credential(Some(entry.callback_secret.as_ref()?), path, environment, findings)?;
    if secret.expose().len() < CALLBACK_SECRET_BYTES_MIN {
        findings.add(path, format!("must have at least {CALLBACK_SECRET_BYTES_MIN} characters"));
    }
    Some(secret)
}

fn pace(poll: &PollEntry, path: &str, findings: &mut Findings<'_>) -> Option<Pace> {
    let mut part = |key: &str, value: Option<_>| {
        let path = format!("{path}.{key}");
        let value: crate::text::DurationText = findings.required(&path, value)?;
        findings.positive(&path, value.0.is_zero());
        Some(value.0)
    };
    let (first, shortest, longest) =
        (part("first", poll.first), part("shortest", poll.shortest), part("longest", poll.longest));
    let pace = Pace { first: first?, shortest: shortest?, longest: longest? };
    if pace.shortest > pace.longest {
        findings.add(&format!("{path}.shortest"), "must not be longer than longest");
    }
    Some(pace)
}
