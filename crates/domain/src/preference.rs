//! Which accounts may serve a request, and in which order they are tried.

mod text;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AccountName, Money};

pub use text::NotAPreference;

/// How the accounts that could serve a request are put in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The operator's order.
    #[default]
    Priority,
    /// By chance, in proportion to the weights.
    Weighted,
    /// The lowest price first.
    Cheapest,
    /// The shortest observed time to a result first.
    Fastest,
    /// Each in its turn.
    RoundRobin,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Priority, Self::Weighted, Self::Cheapest, Self::Fastest, Self::RoundRobin];

    /// As it stands in the config and in requests: `round_robin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Weighted => "weighted",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
            Self::RoundRobin => "round_robin",
        }
    }

    /// From its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text)
    }
}

/// What somebody wants of the accounts that serve a request. Empty: anything goes, in the order of the model's route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Preference {
    /// The order, if other than the route's.
    pub strategy: Option<Strategy>,
    /// Whether only accounts at the makers of the models will do.
    pub official: bool,
    /// What the task may cost at most, over all attempts that may have to be paid.
    pub price_max: Option<Money>,
    /// Only accounts that have this region; absent if any will do.
    pub region: Option<String>,
    /// Only these accounts; absent if any will do.
    pub accounts: Option<Vec<AccountName>>,
}

impl Preference {
    /// One for that order, without bounds.
    pub fn ordered(strategy: Strategy) -> Self {
        Self { strategy: Some(strategy), ..Self::default() }
    }

    /// One for accounts at the makers of the models.
    pub fn official() -> Self {
        Self { official: true, ..Self::default() }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a client wants within what its key allows: the client's order counts before the key's, and bounds only get
    /// tighter. A region that the key does not allow leaves no account.
    #[must_use]
    pub fn within(self, key: &Self) -> Self {
        let (accounts, region) = match (self.region, &key.region) {
            (Some(wanted), Some(allowed)) if wanted != *allowed => (Some(Vec::new()), Some(wanted)),
            (wanted, allowed) => {
                (both(self.accounts, key.accounts.as_ref()), wanted.or_else(|| allowed.clone()))
            }
        };
        let price_max = match (self.price_max, key.price_max) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            strategy: self.strategy.or(key.strategy),
            official: self.official || key.official,
            price_max,
            region,
            accounts,
        }
    }
}

fn both(wanted: Option<Vec<AccountName>>, allowed: Option<&Vec<AccountName>>) -> Option<Vec<AccountName>> {
    match (wanted, allowed) {
        (Some(wanted), Some(allowed)) => {
            Some(wanted.into_iter().filter(|name| allowed.contains(name)).collect())
        }
        (wanted, allowed) => wanted.or_else(|| allowed.cloned()),
    }
}

/// The stored form. What can be said in one word is one word, as it was before there was more to want.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Word(Word),
    Fields(Fields),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Cheapest,
    Official,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    official: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_max: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Vec<AccountName>>,
}

impl Serialize for Preference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = if *self == Self::ordered(Strategy::Cheapest) {
            Stored::Word(Word::Cheapest)
        } else if *self == Self::official() {
            Stored::Word(Word::Official)
        } else {
            let Self { strategy, official, price_max, region, accounts } = self.clone();
            Stored::Fields(Fields { strategy, official, price_max, region, accounts })
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Preference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Word(Word::Cheapest) => Self::ordered(Strategy::Cheapest),
            Stored::Word(Word::Official) => Self::official(),
            Stored::Fields(Fields { strategy, official, price_max, region, accounts }) => {
                Self { strategy, official, price_max, region, accounts }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(names: &[&str]) -> Option<Vec<AccountName>> {
        Some(names.iter().map(|name| AccountName::new(*name)).collect())
    }

    #[test]
    fn what_was_stored_as_a_word_still_is() {
        let read = |text: &str| serde_json::from_str::<Preference>(text).unwrap();
        for (word, preference) in [
            ("\"cheapest\"", Preference::ordered(Strategy::Cheapest)),
            ("\"official\"", Preference::official()),
        ] {
            assert_eq!(read(word), preference);
            assert_eq!(serde_json::to_string(&preference).unwrap(), word);
        }
        let whole = Preference {
            strategy: Some(Strategy::RoundRobin),
            official: true,
            price_max: Money::parse("0.4").ok(),
            region: Some("eu".into()),
            accounts: accounts(&["a"]),
        };
        assert_eq!(read(&serde_json::to_string(&whole).unwrap()), whole);
        assert_eq!(serde_json::to_string(&Preference::default()).unwrap(), "{}");
    }

    #[test]
    fn a_client_cannot_widen_what_its_key_allows() {
        let key = Preference {
            strategy: Some(Strategy::Weighted),
            official: true,
            price_max: Money::parse("1").ok(),
            region: Some("eu".into()),
            accounts: accounts(&["a", "b"]),
        };
        assert_eq!(Preference::default().within(&key), key);
        let wanted = Preference {
            strategy: Some(Strategy::Fastest),
            price_max: Money::parse("2").ok(),
            accounts: accounts(&["b", "c"]),
            ..Preference::default()
        };
        let both = wanted.within(&key);
        assert_eq!(both.strategy, Some(Strategy::Fastest));
        assert_eq!((both.price_max, both.accounts), (Money::parse("1").ok(), accounts(&["b"])));
        let elsewhere = Preference { region: Some("us".into()), ..Preference::default() };
        assert_eq!(elsewhere.within(&key).accounts, accounts(&[]));
    }
}
