//! From the config to what may change while the gateway runs: models, accounts, routes and keys.

use std::sync::Arc;

use anyhow::Context as _;
use config::{AccountPrice, Config, Health, Hop};
use domain::{Access, Account, PriceList, Scope};
use routing::{Candidate, Catalogue, HealthSettings, Policy, Route, Router};
use tasks::{Declared, DeclaredKey, Setup};

use crate::embedded;

/// Where the embedded sandbox would be, while it does not run.
pub(crate) const SANDBOX_URL: &str = "http://sandbox";
/// The name of the declared key that comes from the environment.
const ENVIRONMENT_KEY: &str = "environment";

/// What `config` says, with the accounts of the embedded sandbox at `sandbox_url` if it has one.
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
        routes(config, &accounts)?
    };
    let router = Router::new(routes, config.health.ejected_percent_max);
    let providers = config.providers.iter().map(|bound| (bound.provider.clone(), bound.limits));
    Ok(Setup {
        providers: providers.collect(),
        keys: keys(config),
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

/// The operator's routes, with the provider's own model names where the operator gives none.
fn routes(config: &Config, accounts: &[Account]) -> anyhow::Result<Vec<Route>> {
    let candidate = |model: &str, hop: &Hop| {
        let upstream_model = match &hop.upstream_model {
            Some(upstream_model) => upstream_model.clone(),
            None => usual_model(model, hop, accounts)?,
        };
        let account = accounts.iter().find(|account| account.name == hop.account);
        Ok(Candidate {
            official: account.is_some_and(|account| account.official),
            regions: account.map(|account| account.regions.clone()).unwrap_or_default().into(),
            tier: hop.tier,
            weight: hop.weight,
            prices: price(config, hop, &upstream_model).cloned().map(Arc::new),
            ..Candidate::new(hop.account.clone(), upstream_model)
        })
    };
    let route = |route: &config::Route| {
        let candidates: anyhow::Result<Vec<Candidate>> =
            route.hops.iter().map(|hop| candidate(&route.model, hop)).collect();
        let policy = Policy {
            strategy: route.strategy,
            price_max: route.price_max,
            attempts_max: route.attempts_max,
            policy_failover: route.policy_failover,
        };
        let route = Route { model: route.model.clone(), policy, candidates: candidates? };
        check_prices(&route)?;
        Ok(route)
    };
    config.routes.iter().map(route).collect()
}

/// What a hop costs: as it says itself, or else its account.
fn price<'a>(config: &'a Config, hop: &'a Hop, upstream_model: &str) -> Option<&'a PriceList> {
    let of_account = || {
        let is_it =
            |price: &&AccountPrice| price.account == hop.account && price.upstream_model == upstream_model;
        config.prices.iter().find(is_it).map(|price| &price.price)
    };
    hop.price.as_ref().or_else(of_account)
}

/// Where one way to serve a model has a price, another without one would never be gone.
fn check_prices(route: &Route) -> anyhow::Result<()> {
    let (priced, free): (Vec<_>, Vec<_>) =
        route.candidates.iter().partition(|candidate| candidate.prices.is_some());
    let free: Vec<String> = free
        .iter()
        .map(|candidate| format!("{} ({})", candidate.account, candidate.upstream_model))
        .collect();
    anyhow::ensure!(
        priced.is_empty() || free.is_empty(),
        "routes: {} has a price by some accounts, but none by {}; give one, if only \"0\"",
        route.model,
        free.join(", ")
    );
    Ok(())
}

fn usual_model(model: &str, hop: &Hop, accounts: &[Account]) -> anyhow::Result<String> {
    let account = accounts.iter().find(|account| account.name == hop.account);
    let provider = account.and_then(|account| translation::provider(&account.provider));
    let usual = provider.and_then(|provider| provider.upstream_model(model));
    usual.with_context(|| {
        format!("routes: account {} has no model of its own for {model}; give an upstream_model", hop.account)
    })
}
