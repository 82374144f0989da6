//! Prices of the file. Every list has a price for every request: the last rule, and only it, asks for nothing. A route
//! where some accounts have a price and others none would be free or closed by accident.

use domain::{AccountName, Money, PriceCondition, PriceList, PriceRule, Rate};

use crate::file::AccountEntry;
use crate::findings::Findings;
use crate::prices::{AmountText, PriceEntry, RuleEntry};
use crate::settings::Hop;

/// What a model costs at an account, where a route does not say otherwise.
pub(super) struct AccountPrice {
    pub(super) account: AccountName,
    /// The provider's own name of the model.
    pub(super) upstream_model: String,
    pub(super) price: PriceList,
}

/// The prices that accounts name by the provider's own name of the model.
pub(super) fn of_accounts(entries: &[AccountEntry], findings: &mut Findings<'_>) -> Vec<AccountPrice> {
    let mut prices: Vec<AccountPrice> = Vec::new();
    for (index, account) in entries.iter().enumerate() {
        for (number, entry) in account.prices.iter().enumerate() {
            let path = format!("accounts[{index}].prices[{number}]");
            let model_path = format!("{path}.upstream_model");
            let upstream_model = findings.required(&model_path, entry.upstream_model.clone());
            let price = findings.required(&format!("{path}.price"), entry.price.as_ref());
            let price = price.and_then(|price| list(price, &format!("{path}.price"), findings));
            let Some((name, upstream_model, price)) = all(account.name.as_deref(), upstream_model, price)
            else {
                continue;
            };
            let account = AccountName::new(name);
            if prices.iter().any(|other| other.account == account && other.upstream_model == upstream_model) {
                findings.add(&model_path, format!("\"{upstream_model}\" has an earlier price"));
            }
            prices.push(AccountPrice { account, upstream_model, price });
        }
    }
    prices
}

fn all<A, B, C>(a: Option<A>, b: Option<B>, c: Option<C>) -> Option<(A, B, C)> {
    Some((a?, b?, c?))
}

/// A price list as it is meant; nothing if it cannot be.
pub(super) fn list(entry: &PriceEntry, path: &str, findings: &mut Findings<'_>) -> Option<PriceList> {
    let entries = match entry {
        PriceEntry::PerCall(AmountText(price)) => {
            let rule = PriceRule { when: PriceCondition::default(), rate: Rate::PerCall(*price) };
            return Some(PriceList::new(vec![rule]));
        }
        PriceEntry::Rules(entries) => entries,
    };
    if entries.is_empty() {
        findings.add(path, "must have at least one rule");
    }
    let mut rules = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let when = condition(entry);
        let is_last = index + 1 == entries.len();
        match (is_last, when.is_empty()) {
            (true, false) => {
                findings.add(&path, "must have no condition: the last rule is for what fits no other");
            }
            (false, true) => findings.add(&path, "needs a condition, or the rules after it never count"),
            _ => {}
        }
        rules.extend(rate(entry, &path, findings).map(|rate| PriceRule { when, rate }));
    }
    Some(PriceList::new(rules))
}

fn condition(entry: &RuleEntry) -> PriceCondition {
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
    PriceCondition {
        resolution: lower(&entry.resolution),
        quality: lower(&entry.quality),
        mode: entry.mode.clone(),
        audio: entry.audio,
        count: entry.count,
    }
}

fn rate(entry: &RuleEntry, path: &str, findings: &mut Findings<'_>) -> Option<Rate> {
    let RuleEntry { per_call, per_second, per_megapixel, seconds, megapixels, .. } = entry;
    if entry.seconds.is_some() && per_second.is_none() {
        findings.add(&format!("{path}.seconds"), "goes with per_second");
    }
    if megapixels.is_some() && per_megapixel.is_none() {
        findings.add(&format!("{path}.megapixels"), "goes with per_megapixel");
    }
    match (per_call, per_second, per_megapixel) {
        (Some(AmountText(price)), None, None) => Some(Rate::PerCall(*price)),
        (None, Some(AmountText(price)), None) => {
            let seconds = fallback(*seconds, &format!("{path}.seconds"), findings)?;
            findings.positive(&format!("{path}.seconds"), seconds == 0);
            Some(Rate::PerSecond { price: *price, seconds })
        }
        (None, None, Some(AmountText(price))) => {
            let path = format!("{path}.megapixels");
            let AmountText(megapixels) = fallback(*megapixels, &path, findings)?;
            findings.positive(&path, megapixels == Money::ZERO);
            let pixels = megapixels.checked_scale(1_000_000, 1);
            let Some(pixels) = pixels.filter(|pixels| pixels.billionths() % 1_000_000_000 == 0) else {
                findings.add(&path, "must be a whole number of pixels: at most 6 places");
                return None;
            };
            let pixels = u64::try_from(pixels.billionths() / 1_000_000_000).ok()?;
            Some(Rate::PerMegapixel { price: *price, pixels })
        }
        _ => {
            findings.add(path, "must have exactly one of per_call, per_second and per_megapixel");
            None
        }
    }
}

fn fallback<T>(value: Option<T>, path: &str, findings: &mut Findings<'_>) -> Option<T> {
    if value.is_none() {
        findings.add(path, "is required: how many count for a request that does not say");
    }
    value
}

/// Notes hops without a price where another of the same route has one.
pub(super) fn check_route(hops: &[(usize, Hop)], path: &str, findings: &mut Findings<'_>) {
    if hops.iter().all(|(_, hop)| hop.price.is_none()) {
        return;
    }
    for (index, hop) in hops.iter().filter(|(_, hop)| hop.price.is_none()) {
        let (account, model) = (&hop.account, &hop.upstream_model);
        let text = "the model has a price by another account here, but none by";
        let text = format!("{text} {account} ({model}); give it one, if only \"0\"");
        findings.add(&format!("{path}[{index}].price"), text);
    }
}
