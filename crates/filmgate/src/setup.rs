//! From the config to what may change while the gateway runs: models, accounts, routes and keys.

use std::sync::Arc;

use config::{Config, Health, Hop};
use domain::{Access, Account, AdminScopes, Credential, Scope};
use routing::{Candidate, Catalogue, HealthSettings, Policy, Route, Router};
use tasks::{Declared, DeclaredKey, Operators, Setup, Signer};

use crate::embedded;

/// Where the embedded sandbox would be, while it does not run.
pub(crate) const SANDBOX_URL: &str = "http://sandbox";
/// The name of the declared key that comes from the environment.
const ENVIRONMENT_KEY: &str = "environment";
/// Holds the operator's key where the config names none.
const ADMIN_KEY_VARIABLE: &str = "FILMGATE_ADMIN_KEY";
/// What the log calls whoever uses the operator's key.
const ADMIN: &str = "admin";

/// What `config` says, with the accounts of the embedded sandbox at `sandbox_url` if it has one. Fails only where the
/// catalogue knows more than the checks of the config.
pub(crate) fn build(config: &Config, sandbox_url: Option<&str>) -> anyhow::Result<Setup> {
    let defaults = [
        (Scope::Videos, &config.default_models.videos),
        (Scope::Images, &config.default_models.images),
        (Scope::Audio, &config.default_models.audio),
    ];
    let defaults = defaults.into_iter().filter_map(|(scope, model)| Some((scope, model.clone()?)));
    let catalogue = Catalogue::builtin().with(config.models.clone(), defaults)?;
    let mut accounts = config.accounts.clone();
    accounts.extend(sandbox_url.map(embedded::accounts).unwrap_or_default());
    let routes = if config.routes.is_empty() && sandbox_url.is_some() {
        embedded::routes(&catalogue)
    } else {
        routes(config, &accounts)
    };
    let router = Router::new(routes, config.health.ejected_percent_max).with_replacements(&catalogue);
    let providers = config.providers.iter().map(|bound| (bound.provider.clone(), bound.limits));
    Ok(Setup {
        providers: providers.collect(),
        keys: keys(config),
        operators: operators(config)?,
        signer: Signer::new(&config.callback_secrets),
        health: health(&config.health),
        queue_max: config.limits.queue_max,
        ..Setup::new(catalogue, router, accounts)
    })
}

fn health(health: &Health) -> HealthSettings {
    HealthSettings {
        failures_max: health.failures_max,
        window: health.window,
        eject_for: health.eject_for,
        eject_for_max: health.eject_for_max,
        probes_max: health.probes_max,
        ejected_percent_max: health.ejected_percent_max,
        out_for: health.out_for,
        slow_start: health.slow_start,
    }
}

/// The keys of the config and of the environment.
fn keys(config: &Config) -> Declared {
    let defaults = config.limits.of_key();
    let from_environment = std::env::var("FILMGATE_KEY").ok().filter(|key| !key.is_empty());
    let from_environment = from_environment.map(|secret| DeclaredKey {
        name: ENVIRONMENT_KEY.to_owned(),
        secret,
        limits: defaults,
        dialect: None,
        access: Access::default(),
    });
    let from_config = config.keys.iter().map(|key| DeclaredKey {
        name: key.name.clone(),
        secret: key.secret.expose().to_owned(),
        limits: key.limits,
        dialect: key.dialect.clone(),
        access: key.access.clone(),
    });
    // Of two declarations of one key the later counts, and whose the environment's is must not depend on the rest.
    Declared::new(from_config.chain(from_environment), defaults)
}

/// The credentials of the operator's API: the config's, and the environment's where the config has no key for everything.
fn operators(config: &Config) -> anyhow::Result<Operators> {
    let from_environment = || std::env::var(ADMIN_KEY_VARIABLE).ok().filter(|key| !key.is_empty());
    let of_all = config.admin_key.clone().or_else(|| from_environment().map(Credential::new));
    // The config is checked where it is read.
    let is_long = of_all.as_ref().is_none_or(|key| key.expose().len() >= config::OPERATOR_KEY_CHARS_MIN);
    let least = config::OPERATOR_KEY_CHARS_MIN;
    anyhow::ensure!(is_long, "{ADMIN_KEY_VARIABLE} must have at least {least} characters");
    let of_all = of_all.map(|key| (ADMIN.to_owned(), key, AdminScopes::all()));
    let others = config.admin_keys.iter().map(|key| (key.name.clone(), key.secret.clone(), key.scopes));
    Ok(Operators::new(of_all.into_iter().chain(others)))
}

/// The operator's routes.
fn routes(config: &Config, accounts: &[Account]) -> Vec<Route> {
    let candidate = |hop: &Hop| {
        let account = accounts.iter().find(|account| account.name == hop.account);
        Candidate {
            account: hop.account.clone(),
            upstream_model: hop.upstream_model.clone(),
            official: account.is_some_and(|account| account.official),
            regions: account.map(|account| account.regions.clone()).unwrap_or_default().into(),
            tier: hop.tier,
            weight: hop.weight,
            prices: hop.price.clone().map(Arc::new),
        }
    };
    let route = |route: &config::Route| Route {
        model: route.model.clone(),
        policy: Policy {
            strategy: route.strategy,
            price_max: route.price_max,
            attempts_max: route.attempts_max,
            policy_failover: route.policy_failover,
        },
        candidates: route.hops.iter().map(candidate).collect(),
    };
    config.routes.iter().map(route).collect()
}

#[cfg(test)]
mod tests;
