//! The embedded default: a sandbox in this process, one account for each provider that it speaks, and a route for each
//! model that has none.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use config::{Config, sandbox_account};
use domain::{Account, AccountName, Credential, Pace};
use routing::{Candidate, Catalogue, Policy, Route};
use sandbox::{Faults, Sandbox};

/// A generation of the sandbox takes seconds, not minutes.
const PACE: Pace = Pace {
    first: Duration::from_millis(500),
    shortest: Duration::from_millis(500),
    longest: Duration::from_secs(5),
};
/// The sandbox demands a key, as every upstream does; which one does not matter.
const CREDENTIAL: &str = "sandbox";
/// Accounts that a model is routed to: a second one shows what failover does, and a task that shall fail fails soon.
const ACCOUNTS_MAX: usize = 2;

/// Starts the sandbox on a free loopback port, with faults from `FILMGATE_SANDBOX_FAULT`.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Sandbox> {
    let faults = std::env::var("FILMGATE_SANDBOX_FAULT").unwrap_or_default();
    let faults: Faults = faults.parse().context("FILMGATE_SANDBOX_FAULT")?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = sandbox::Settings::new(listen, config.data_dir.join("sandbox"));
    settings.faults = faults;
    Sandbox::start(settings).await.context("starting the sandbox")
}

/// One account for each provider. Each API is asked for by its name, since some have the same paths.
pub(crate) fn accounts(base_url: &str) -> Vec<Account> {
    let defaults = config::Limits::default();
    let account = |provider: &str| Account {
        name: AccountName::new(sandbox_account(provider)),
        provider: provider.to_owned(),
        base_url: format!("{base_url}/{provider}"),
        files_url: None,
        callback_secret: None,
        callback_keys_url: None,
        official: false,
        credential: Credential::new(CREDENTIAL),
        requests_per_minute: defaults.requests_per_minute,
        concurrent_tasks: defaults.concurrent_tasks,
        daily: domain::DailyLimits::default(),
        regions: Vec::new(),
        version: String::new(),
        on_unknown: domain::OnUnknown::default(),
        pace: Some(PACE),
    };
    translation::PROVIDERS.iter().map(|provider| account(provider.name())).collect()
}

/// Routes for all models, to the first providers of the registry that serve them.
pub(crate) fn routes(catalogue: &Catalogue) -> Vec<Route> {
    let candidates = |model: &str| {
        let candidate = |provider: &&'static dyn translation::Provider| {
            let account = AccountName::new(sandbox_account(provider.name()));
            provider.upstream_model(model).map(|upstream_model| Candidate::new(account, upstream_model))
        };
        translation::PROVIDERS.iter().filter_map(candidate).take(ACCOUNTS_MAX).collect()
    };
    catalogue
        .iter()
        .map(|model| Route {
            model: model.name.clone(),
            policy: Policy::default(),
            candidates: candidates(&model.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_model_is_routed_to_an_account_that_exists() {
        let catalogue = Catalogue::builtin();
        let names: Vec<AccountName> = accounts("http://127.0.0.1:1").into_iter().map(|a| a.name).collect();
        for route in routes(&catalogue) {
            assert!(!route.candidates.is_empty(), "{} has no account", route.model);
            assert!(route.candidates.iter().all(|candidate| names.contains(&candidate.account)));
        }
    }
}
