//! Routes of the file: each names a model and accounts that exist.

use domain::AccountName;

use crate::file::{File, HopEntry, RouteEntry};
use crate::findings::Findings;
use crate::resolve::names::Names;
use crate::resolve::prices;
use crate::settings::{AccountPrice, Hop, Route};

/// The routes of the file that are complete.
pub(super) fn resolve(
    file: &File,
    prices: &[AccountPrice],
    names: &Names<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Route> {
    let each = file.routes.iter().enumerate();
    each.filter_map(|(index, entry)| {
        let path = format!("routes[{index}]");
        check_model(file, index, names, findings);
        let model = entry.model.clone()?;
        let hops = hops(entry, &path, names, findings);
        prices::check_route(&hops, prices, &format!("{path}.accounts"), findings);
        findings.positive(&format!("{path}.attempts_max"), entry.attempts_max == Some(0));
        Some(Route {
            model,
            strategy: entry.strategy.unwrap_or_default(),
            price_max: entry.price_max.map(|price| price.0),
            attempts_max: entry.attempts_max,
            policy_failover: entry.policy_failover.unwrap_or(false),
            hops,
        })
    })
    .collect()
}

fn check_model(file: &File, index: usize, names: &Names<'_>, findings: &mut Findings<'_>) {
    let path = format!("routes[{index}].model");
    let Some(model) = findings.required(&path, file.routes[index].model.as_deref()) else { return };
    names.model(model, &path, findings);
    if file.routes[..index].iter().any(|route| route.model.as_deref() == Some(model)) {
        findings.add(&path, format!("\"{model}\" has an earlier route; list all its accounts there"));
    }
}

fn hops(entry: &RouteEntry, path: &str, names: &Names<'_>, findings: &mut Findings<'_>) -> Vec<Hop> {
    let path = format!("{path}.accounts");
    let entries = findings.required(&path, entry.accounts.as_deref()).unwrap_or_default();
    if entry.accounts.is_some() && entries.is_empty() {
        findings.add(&path, "must name at least one account");
    }
    let mut hops: Vec<Hop> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(hop) = hop(entry, &path, names, findings) else { continue };
        let is_it = |other: &Hop| other.account == hop.account && other.upstream_model == hop.upstream_model;
        if hops.iter().any(is_it) {
            findings.add(&path, format!("\"{}\" is there already", hop.account));
        }
        hops.push(hop);
    }
    hops
}

fn hop(entry: &HopEntry, path: &str, names: &Names<'_>, findings: &mut Findings<'_>) -> Option<Hop> {
    let fields = match entry {
        HopEntry::Name(name) => {
            names.account(name, path, findings);
            return Some(Hop::new(AccountName::new(name)));
        }
        HopEntry::Full(fields) => fields,
    };
    let name_path = format!("{path}.account");
    let name = findings.required(&name_path, fields.account.as_ref())?;
    names.account(name, &name_path, findings);
    if fields.upstream_model.as_ref().is_some_and(|model| model.trim().is_empty()) {
        findings.add(&format!("{path}.upstream_model"), "must not be empty");
    }
    findings.positive(&format!("{path}.weight"), fields.weight == Some(0));
    let usual = Hop::new(AccountName::new(name));
    let price = fields.price.as_ref();
    Some(Hop {
        upstream_model: fields.upstream_model.clone(),
        price: price.and_then(|price| prices::list(price, &format!("{path}.price"), findings)),
        tier: fields.tier.unwrap_or(usual.tier),
        weight: fields.weight.unwrap_or(usual.weight),
        ..usual
    })
}
