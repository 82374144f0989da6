//! Routes of the file: each names a model and accounts that exist.

use domain::AccountName;

use crate::Known;
use crate::file::{File, HopEntry, HopFields, RouteEntry};
use crate::findings::Findings;
use crate::resolve::names::Names;
use crate::resolve::prices::{self, AccountPrice};
use crate::settings::{Hop, Route};

/// The routes of the file that are complete.
pub(super) fn resolve(
    file: &File,
    known: &Known<'_>,
    names: &Names<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Route> {
    let prices = prices::of_accounts(&file.accounts, findings);
    let each = file.routes.iter().enumerate();
    each.filter_map(|(index, entry)| {
        let path = format!("routes[{index}]");
        check_model(file, index, names, findings);
        let model = entry.model.clone()?;
        findings.positive(&format!("{path}.attempts_max"), entry.attempts_max == Some(0));
        let usual = |account: &str| (known.upstream_model)(names.provider(account)?, &model);
        let hops = Hops { model: &model, usual: &usual, names, prices: &prices };
        let hops = hops.of(entry, &format!("{path}.accounts"), findings);
        Some(Route {
            strategy: entry.strategy.unwrap_or_default(),
            price_max: entry.price_max.map(|price| price.0),
            attempts_max: entry.attempts_max,
            policy_failover: entry.policy_failover.unwrap_or(false),
            hops,
            model,
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

/// What the accounts of one route are made of.
struct Hops<'a> {
    model: &'a str,
    /// The usual name of the model at an account.
    usual: &'a dyn Fn(&str) -> Option<String>,
    names: &'a Names<'a>,
    prices: &'a [AccountPrice],
}

impl Hops<'_> {
    fn of(&self, entry: &RouteEntry, path: &str, findings: &mut Findings<'_>) -> Vec<Hop> {
        let entries = findings.required(path, entry.accounts.as_deref()).unwrap_or_default();
        if entry.accounts.is_some() && entries.is_empty() {
            findings.add(path, "must name at least one account");
        }
        let mut hops: Vec<(usize, Hop)> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let hop = match entry {
                HopEntry::Name(name) => self.hop(name, &HopFields::default(), &path, findings),
                HopEntry::Full(fields) => {
                    let name_path = format!("{path}.account");
                    let Some(name) = findings.required(&name_path, fields.account.as_ref()) else { continue };
                    self.hop(name, fields, &path, findings)
                }
            };
            let is_it =
                |other: &Hop| other.account == hop.account && other.upstream_model == hop.upstream_model;
            if hops.iter().any(|(_, other)| is_it(other)) {
                findings.add(&path, format!("\"{}\" is there already", hop.account));
            }
            hops.push((index, hop));
        }
        prices::check_route(&hops, path, findings);
        hops.into_iter().map(|(_, hop)| hop).collect()
    }

    fn hop(&self, name: &str, fields: &HopFields, path: &str, findings: &mut Findings<'_>) -> Hop {
        let name_path = if fields.account.is_some() { format!("{path}.account") } else { path.to_owned() };
        self.names.account(name, &name_path, findings);
        let upstream_model = self.upstream_model(name, fields, &format!("{path}.upstream_model"), findings);
        let account = AccountName::new(name);
        let own = fields.price.as_ref();
        let own = own.and_then(|price| prices::list(price, &format!("{path}.price"), findings));
        let of_account = || {
            let is_it =
                |price: &&AccountPrice| price.account == account && price.upstream_model == upstream_model;
            self.prices.iter().find(is_it).map(|price| price.price.clone())
        };
        findings.positive(&format!("{path}.weight"), fields.weight == Some(0));
        Hop {
            price: own.or_else(of_account),
            tier: fields.tier.unwrap_or(1),
            weight: fields.weight.unwrap_or(1),
            account,
            upstream_model,
        }
    }

    fn upstream_model(
        &self,
        account: &str,
        fields: &HopFields,
        path: &str,
        findings: &mut Findings<'_>,
    ) -> String {
        if let Some(model) = &fields.upstream_model {
            if model.trim().is_empty() {
                findings.add(path, "must not be empty");
            }
            return model.clone();
        }
        let usual = (self.usual)(account);
        if usual.is_none() && self.names.provider(account).is_some() {
            let model = self.model;
            findings.add(path, format!("is required: account {account} has no name of its own for {model}"));
        }
        usual.unwrap_or_default()
    }
}
