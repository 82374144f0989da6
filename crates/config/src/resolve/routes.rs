//! Routes of the file: each names a model and accounts that exist.

use domain::AccountName;

use crate::Known;
use crate::file::{File, HopEntry, RouteEntry};
use crate::findings::Findings;
use crate::near;
use crate::resolve::{models, prices};
use crate::sections::sandbox_account;
use crate::settings::{AccountPrice, Hop, Route};

/// The routes of the file that are complete.
pub(super) fn resolve(
    file: &File,
    prices: &[AccountPrice],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Route> {
    let accounts = account_names(file, known, findings);
    let each = file.routes.iter().enumerate();
    each.filter_map(|(index, entry)| {
        let path = format!("routes[{index}]");
        check_model(file, index, known, findings);
        let model = entry.model.clone()?;
        let hops = hops(entry, &path, accounts.as_deref(), findings);
        prices::check_route(&hops, prices, &format!("{path}.accounts"), findings);
        Some(Route { model, hops })
    })
    .collect()
}

fn check_model(file: &File, index: usize, known: &Known<'_>, findings: &mut Findings<'_>) {
    let path = format!("routes[{index}].model");
    let Some(model) = findings.required(&path, file.routes[index].model.as_deref()) else { return };
    let names =
        file.models.iter().filter_map(|entry| entry.name.as_deref()).chain(known.models.iter().copied());
    models::check_name(model, &path, names, findings);
    if file.routes[..index].iter().any(|route| route.model.as_deref() == Some(model)) {
        findings.add(&path, format!("\"{model}\" has an earlier route; list all its accounts there"));
    }
}

/// The names that a route may use; nothing if the list of accounts is too broken to tell.
fn account_names(file: &File, known: &Known<'_>, findings: &Findings<'_>) -> Option<Vec<String>> {
    let broken = |index| {
        let path = format!("accounts[{index}]");
        findings.is_broken(&path) || findings.is_broken(&format!("{path}.name"))
    };
    if findings.is_broken("accounts") || (0..file.accounts.len()).any(broken) {
        return None;
    }
    let declared = file.accounts.iter().filter_map(|account| account.name.clone());
    let embedded = known.providers.iter().filter(|_| file.sandbox.embed).map(|name| sandbox_account(name));
    Some(declared.chain(embedded).collect())
}

fn hops(
    entry: &RouteEntry,
    path: &str,
    accounts: Option<&[String]>,
    findings: &mut Findings<'_>,
) -> Vec<Hop> {
    let path = format!("{path}.accounts");
    let entries = findings.required(&path, entry.accounts.as_deref()).unwrap_or_default();
    if entry.accounts.is_some() && entries.is_empty() {
        findings.add(&path, "must name at least one account");
    }
    let mut hops: Vec<Hop> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(hop) = hop(entry, &path, accounts, findings) else { continue };
        let is_it = |other: &Hop| other.account == hop.account && other.upstream_model == hop.upstream_model;
        if hops.iter().any(is_it) {
            findings.add(&path, format!("\"{}\" is there already", hop.account));
        }
        hops.push(hop);
    }
    hops
}

fn hop(
    entry: &HopEntry,
    path: &str,
    accounts: Option<&[String]>,
    findings: &mut Findings<'_>,
) -> Option<Hop> {
    let (name, upstream_model, price, name_path) = match entry {
        HopEntry::Name(name) => (name, None, None, path.to_owned()),
        HopEntry::Full(fields) => {
            let name_path = format!("{path}.account");
            let name = findings.required(&name_path, fields.account.as_ref())?;
            (name, fields.upstream_model.clone(), fields.price.as_ref(), name_path)
        }
    };
    if upstream_model.as_ref().is_some_and(|model| model.trim().is_empty()) {
        findings.add(&format!("{path}.upstream_model"), "must not be empty");
    }
    if let Some(accounts) = accounts.filter(|accounts| !accounts.contains(name)) {
        let hint = near::suggestion(name, accounts.iter().map(String::as_str));
        findings.add(&name_path, format!("there is no account \"{name}\"{hint}"));
    }
    let price = price.and_then(|price| prices::list(price, &format!("{path}.price"), findings));
    Some(Hop { account: AccountName::new(name), upstream_model, price })
}
