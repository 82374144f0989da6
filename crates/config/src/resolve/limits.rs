//! Limits: of all keys, of providers, and where they are counted together.

use domain::{Credential, DailyLimits, ProviderLimits};
use url::Url;

use crate::Known;
use crate::environment::Environment;
use crate::file::ProviderEntry;
use crate::findings::Findings;
use crate::prices::AmountText;
use crate::resolve::accounts;
use crate::sections::{Health, Limits, SharedLimits};
use crate::settings::ProviderBound;

/// Checks the section on limits.
pub(super) fn check(limits: &Limits, findings: &mut Findings<'_>) {
    findings.positive("limits.requests_per_minute", limits.requests_per_minute == 0);
    check_burst("limits", limits.requests_burst, limits.requests_per_minute, findings);
    findings.positive("limits.concurrent_tasks", limits.concurrent_tasks == 0);
    findings.positive("limits.daily_tasks", limits.daily_tasks == Some(0));
    findings.positive("limits.queue_max", limits.queue_max == 0);
    findings.positive("limits.unauthorized_per_minute", limits.unauthorized_per_minute == 0);
    findings.positive("limits.tracked_keys_max", limits.tracked_keys_max == 0);
    if let Some(shared) = &limits.shared {
        check_shared(shared, findings);
    }
}

/// Checks the section on the health of accounts.
pub(super) fn check_health(health: &Health, findings: &mut Findings<'_>) {
    findings.positive("health.failures_max", health.failures_max == 0);
    findings.positive("health.window", health.window.is_zero());
    findings.positive("health.eject_for", health.eject_for.is_zero());
    if health.eject_for_max < health.eject_for {
        findings.add("health.eject_for_max", "must not be shorter than eject_for");
    }
    findings.positive("health.probes_max", health.probes_max == 0);
    if health.ejected_percent_max > 100 {
        findings.add("health.ejected_percent_max", "must be at most 100");
    }
    findings.positive("health.out_for", health.out_for.is_zero());
}

/// Notes a burst that is zero or more than a minute's requests.
pub(super) fn check_burst(path: &str, burst: Option<u32>, per_minute: u32, findings: &mut Findings<'_>) {
    let path = format!("{path}.requests_burst");
    findings.positive(&path, burst == Some(0));
    if burst.is_some_and(|burst| burst > per_minute) {
        findings.add(&path, format!("must not be more than requests_per_minute, which is {per_minute}"));
    }
}

fn check_shared(shared: &SharedLimits, findings: &mut Findings<'_>) {
    findings.name("limits.shared.key_prefix", &shared.key_prefix);
    findings.positive("limits.shared.connect_timeout", shared.connect_timeout.is_zero());
    findings.positive("limits.shared.response_timeout", shared.response_timeout.is_zero());
    findings.positive("limits.shared.probe_interval", shared.probe_interval.is_zero());
    findings.positive("limits.shared.replicas", shared.replicas == 0);
}

/// The URL of the shared limits.
pub(super) fn shared_url(
    limits: &Limits,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Credential> {
    let path = "limits.shared.url";
    let url = findings.required(path, limits.shared.as_ref()?.url.as_ref())?.resolve(environment);
    let url = url.and_then(|url| if is_shared_url(&url) { Ok(url) } else { Err(SHARED_URL.to_owned()) });
    url.map(Credential::new).map_err(|message| findings.add(path, message)).ok()
}

const SHARED_URL: &str = "must be redis://HOST:PORT or redis://HOST:PORT/DATABASE, or unix: with the path of a socket; TLS is not spoken";

/// Whether a Redis or Valkey can be reached by it. The messages about it show nothing of it.
fn is_shared_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    match url.scheme() {
        "redis" | "valkey" => {
            let database = url.path().trim_start_matches('/');
            let is_number = database.is_empty() || database.parse::<u16>().is_ok();
            url.host_str().is_some_and(|host| !host.is_empty()) && url.query().is_none() && is_number
        }
        "unix" | "redis+unix" | "valkey+unix" => {
            url.to_file_path().is_ok_and(|path| path.file_name().is_some())
        }
        _ => false,
    }
}

/// The limits of providers.
pub(super) fn of_providers(
    entries: &[ProviderEntry],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<ProviderBound> {
    let mut bounds: Vec<ProviderBound> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("providers[{index}]");
        let name_path = format!("{path}.provider");
        accounts::check_provider(entry.provider.as_deref(), known, &name_path, findings);
        let limits = ProviderLimits {
            requests_per_minute: entry.requests_per_minute,
            concurrent_tasks: entry.concurrent_tasks,
            daily: daily(entry.daily_tasks, entry.daily_spend),
        };
        findings.positive(&format!("{path}.requests_per_minute"), limits.requests_per_minute == Some(0));
        findings.positive(&format!("{path}.concurrent_tasks"), limits.concurrent_tasks == Some(0));
        findings.positive(&format!("{path}.daily_tasks"), limits.daily.tasks == Some(0));
        let Some(provider) = entry.provider.clone() else { continue };
        if bounds.iter().any(|other| other.provider == provider) {
            findings.add(&name_path, format!("\"{provider}\" has an earlier entry"));
        }
        bounds.push(ProviderBound { provider, limits });
    }
    bounds
}

/// What may be used in one day.
pub(super) fn daily(tasks: Option<u32>, spend: Option<AmountText>) -> DailyLimits {
    DailyLimits { tasks, spend: spend.map(|spend| spend.0) }
}
