//! The text of a preference, as a client sends it and an operator types it: `cheapest, price_max=0.50, region=eu`.

use std::fmt;

use super::{Preference, Strategy};
use crate::{AccountName, Money};

/// The longest text that is read.
const BYTES_MAX: usize = 1024;
/// So much of a wrong item is repeated to whoever wrote it.
const SHOWN_CHARS_MAX: usize = 64;
const OFFICIAL: &str = "official";
const PRICE_MAX: &str = "price_max";
const REGION: &str = "region";
const ACCOUNT: &str = "account";

/// Text that is no preference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPreference {
    /// It is too long.
    #[error("must have at most {BYTES_MAX} characters")]
    TooLong,
    /// An item that means nothing.
    #[error("\"{0}\" is not known; allowed are {allowed}", allowed = allowed())]
    Unknown(String),
    /// The same is said twice, the same way or another.
    #[error("{0} may be said once")]
    Twice(&'static str),
    /// An item whose value is none of its kind.
    #[error("{item} must be {expected}")]
    Value {
        /// Whose.
        item: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl Preference {
    /// What a text of items says that commas separate: the name of a [`Strategy`], `official`, `price_max=AMOUNT`,
    /// `region=NAME`, `account=NAME|NAME`; each at most once, in any order, at most 1024 characters in all.
    pub fn parse(text: &str) -> Result<Self, NotAPreference> {
        if text.len() > BYTES_MAX {
            return Err(NotAPreference::TooLong);
        }
        let mut preference = Self::default();
        for item in text.split(',') {
            preference.add(item.trim_matches([' ', '\t']))?;
        }
        Ok(preference)
    }

    fn add(&mut self, item: &str) -> Result<(), NotAPreference> {
        let unknown = || NotAPreference::Unknown(item.chars().take(SHOWN_CHARS_MAX).collect());
        match item.split_once('=') {
            None if item == OFFICIAL => {
                once(OFFICIAL, self.official)?;
                self.official = true;
            }
            None => {
                let strategy = Strategy::parse(item).ok_or_else(unknown)?;
                once("a strategy", self.strategy.is_some())?;
                self.strategy = Some(strategy);
            }
            Some((PRICE_MAX, amount)) => {
                once(PRICE_MAX, self.price_max.is_some())?;
                let amount = Money::parse(amount).ok().filter(|amount| *amount >= Money::ZERO);
                let expected = "an amount with at most nine places, such as 0.50";
                self.price_max = Some(amount.ok_or(NotAPreference::Value { item: PRICE_MAX, expected })?);
            }
            Some((REGION, region)) => {
                once(REGION, self.region.is_some())?;
                self.region = Some(named(REGION, region)?.to_owned());
            }
            Some((ACCOUNT, names)) => {
                once(ACCOUNT, self.accounts.is_some())?;
                let names: Result<Vec<_>, _> = names.split('|').map(|name| named(ACCOUNT, name)).collect();
                let mut names: Vec<AccountName> = names?.into_iter().map(AccountName::new).collect();
                // They are a set: in whichever order they are named, the same is asked for.
                names.sort();
                names.dedup();
                self.accounts = Some(names);
            }
            Some(_) => return Err(unknown()),
        }
        Ok(())
    }
}

impl fmt::Display for Preference {
    /// As [`Preference::parse`] reads it; empty if nothing is wanted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        items.extend(self.strategy.map(|strategy| strategy.as_str().to_owned()));
        items.extend(self.official.then(|| OFFICIAL.to_owned()));
        items.extend(self.price_max.map(|price_max| format!("{PRICE_MAX}={price_max}")));
        items.extend(self.region.as_ref().map(|region| format!("{REGION}={region}")));
        items.extend(self.accounts.as_ref().map(|accounts| {
            let names: Vec<&str> = accounts.iter().map(AccountName::as_str).collect();
            format!("{ACCOUNT}={}", names.join("|"))
        }));
        f.write_str(&items.join(", "))
    }
}

fn once(item: &'static str, is_said: bool) -> Result<(), NotAPreference> {
    if is_said { Err(NotAPreference::Twice(item)) } else { Ok(()) }
}

fn named<'a>(item: &'static str, name: &'a str) -> Result<&'a str, NotAPreference> {
    let expected = if item == ACCOUNT { "names with | between them" } else { "a name" };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(name) } else { Err(NotAPreference::Value { item, expected }) }
}

fn allowed() -> String {
    let strategies = Strategy::ALL.map(Strategy::as_str).join(", ");
    format!("{strategies}, {OFFICIAL}, {PRICE_MAX}=AMOUNT, {REGION}=NAME, {ACCOUNT}=NAME|NAME")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy as _, any, prop_assert_eq, proptest};

    use super::*;

    fn refused(text: &str) -> String {
        Preference::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_item_is_read_in_any_order_and_spacing() {
        let whole = Preference {
            strategy: Some(Strategy::RoundRobin),
            official: true,
            price_max: Money::parse("0.5").ok(),
            region: Some("eu".into()),
            accounts: Some(["backup", "main"].map(AccountName::new).into()),
        };
        for text in [
            "round_robin, official, price_max=0.50, region=eu, account=main|backup",
            "account=backup|main|backup,region=eu,\tprice_max=0.5 , official,round_robin",
        ] {
            assert_eq!(Preference::parse(text).unwrap(), whole, "{text}");
        }
        assert_eq!(whole.to_string(), "round_robin, official, price_max=0.5, region=eu, account=backup|main");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let known = "priority, weighted, cheapest, fastest, round_robin, official, price_max=AMOUNT, region=NAME, \
                     account=NAME|NAME";
        for unknown in ["cheap", "Cheapest", "", "official=yes", "price_max", "=", "price=1"] {
            assert_eq!(refused(unknown), format!("\"{unknown}\" is not known; allowed are {known}"));
        }
        for (text, said) in [
            ("cheapest,cheapest", "a strategy may be said once"),
            ("cheapest, fastest", "a strategy may be said once"),
            ("official,official", "official may be said once"),
            ("price_max=1,price_max=1", "price_max may be said once"),
            ("region=eu,region=us", "region may be said once"),
            ("account=a,account=b", "account may be said once"),
            ("price_max=-1", "price_max must be an amount with at most nine places, such as 0.50"),
            ("price_max=", "price_max must be an amount with at most nine places, such as 0.50"),
            ("region=", "region must be a name"),
            ("region=a b", "region must be a name"),
            ("account=a||b", "account must be names with | between them"),
        ] {
            assert_eq!(refused(text), said, "{text}");
        }
        assert!(refused("cheapest,").starts_with("\"\" is not known"));
        assert_eq!(refused(&"x".repeat(1025)), "must have at most 1024 characters");
        assert!(refused(&"x".repeat(1024)).len() < 300, "what is repeated is bounded");
    }

    fn preference() -> impl proptest::strategy::Strategy<Value = Preference> {
        let name = "[!-+\\--{}~]{1,12}";
        let accounts = proptest::collection::btree_set(name, 1..5);
        (
            proptest::option::of(proptest::sample::select(Strategy::ALL.to_vec())),
            any::<bool>(),
            proptest::option::of((0..i64::MAX).prop_map(Money::from_billionths)),
            proptest::option::of(name),
            proptest::option::of(accounts),
        )
            .prop_map(|(strategy, official, price_max, region, accounts)| Preference {
                strategy,
                official,
                price_max,
                region,
                accounts: accounts.map(|names| names.into_iter().map(AccountName::new).collect()),
            })
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_read_again_as_the_same(text in "\\PC{0,200}") {
            if let Ok(read) = Preference::parse(&text) {
                prop_assert_eq!(Preference::parse(&read.to_string()), Ok(read));
            }
        }

        #[test]
        fn what_is_written_is_read(wanted in preference().prop_filter("nothing", |wanted| !wanted.is_empty())) {
            prop_assert_eq!(Preference::parse(&wanted.to_string()), Ok(wanted));
        }
    }
}
