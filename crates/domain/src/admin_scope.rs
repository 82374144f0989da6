//! What a credential of the operator's API may do.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One thing that a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminScope {
    /// To ask who one is, to read the description of the API, and to derive tokens that may do less. Every credential has it.
    Own,
    /// To read tasks.
    TasksRead,
    /// To stop tasks, make them due and take them out of quarantine.
    TasksWrite,
    /// To read messages to clients' own servers.
    DeliveriesRead,
    /// To send them again.
    DeliveriesWrite,
    /// To read how accounts do.
    AccountsRead,
    /// To drain and resume them.
    AccountsWrite,
    /// To read client keys, which are never shown.
    KeysRead,
    /// To make and revoke them.
    KeysWrite,
    /// To read what is used of limits.
    LimitsRead,
    /// To read the ledger.
    LedgerRead,
    /// To decide about money that is set aside.
    LedgerWrite,
    /// To read what the gateway is and what it would do.
    ConfigRead,
    /// To have its configuration read again.
    ConfigWrite,
}

/// Some of them. Always with [`AdminScope::Own`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminScopes(u16);

/// A word that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope \"{0}\"; the scopes are {names}", names = AdminScopes::WORDS.join(", "))]
pub struct NotAScope(pub String);

impl AdminScope {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Own,
        Self::TasksRead,
        Self::TasksWrite,
        Self::DeliveriesRead,
        Self::DeliveriesWrite,
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::LimitsRead,
        Self::LedgerRead,
        Self::LedgerWrite,
        Self::ConfigRead,
        Self::ConfigWrite,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::DeliveriesRead => "deliveries:read",
            Self::DeliveriesWrite => "deliveries:write",
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::LimitsRead => "limits:read",
            Self::LedgerRead => "ledger:read",
            Self::LedgerWrite => "ledger:write",
            Self::ConfigRead => "config:read",
            Self::ConfigWrite => "config:write",
        }
    }

    /// Whether it lets somebody change nothing.
    pub fn is_read(self) -> bool {
        self.as_str().ends_with(":read")
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl AdminScopes {
    /// What may be written where scopes are given: each of them by its name, all that read, and all.
    pub const WORDS: [&'static str; 15] = [
        "all",
        "read",
        "tasks:read",
        "tasks:write",
        "deliveries:read",
        "deliveries:write",
        "accounts:read",
        "accounts:write",
        "keys:read",
        "keys:write",
        "limits:read",
        "ledger:read",
        "ledger:write",
        "config:read",
        "config:write",
    ];

    /// What every credential has.
    pub fn none() -> Self {
        Self(AdminScope::Own.bit())
    }

    /// All of them.
    pub fn all() -> Self {
        Self::of(|_| true)
    }

    /// Those that these words name.
    ///
    /// # Errors
    /// The first word that is none of [`Self::WORDS`].
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAScope> {
        words.into_iter().try_fold(Self::none(), |scopes, word| {
            let named = match word {
                "all" => Some(Self::all()),
                "read" => Some(Self::of(AdminScope::is_read)),
                word if Self::WORDS.contains(&word) => Some(Self::of(|scope| scope.as_str() == word)),
                _ => None,
            };
            named.map(|named| Self(scopes.0 | named.0)).ok_or_else(|| NotAScope(word.to_owned()))
        })
    }

    /// Whether that one is among them.
    pub fn has(self, scope: AdminScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of them are among `others`.
    pub fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those that are also among `others`.
    #[must_use]
    pub fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those that are not among `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0 | AdminScope::Own.bit())
    }

    /// Each by its name, without the one that every credential has.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let some = AdminScope::ALL.into_iter().filter(move |scope| self.has(*scope));
        some.filter(|scope| *scope != AdminScope::Own).map(AdminScope::as_str)
    }

    fn of(wanted: impl Fn(AdminScope) -> bool) -> Self {
        let some = AdminScope::ALL.into_iter().filter(|scope| *scope == AdminScope::Own || wanted(*scope));
        Self(some.fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for AdminScopes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for AdminScopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for AdminScopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        Self::parse(words.iter().map(String::as_str)).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_word_and_every_word_is_one() {
        let single = AdminScope::ALL.into_iter().filter(|scope| *scope != AdminScope::Own);
        let names: Vec<&str> = ["all", "read"].into_iter().chain(single.map(AdminScope::as_str)).collect();
        assert_eq!(names, AdminScopes::WORDS);
        for word in AdminScopes::WORDS {
            let scopes = AdminScopes::parse([word]).unwrap();
            assert!(scopes.has(AdminScope::Own) && scopes != AdminScopes::none(), "{word}");
        }
        assert!(AdminScope::ALL.iter().enumerate().all(|(at, scope)| scope.bit() == 1 << at));
    }

    #[test]
    fn reading_all_is_no_writing() {
        let read = AdminScopes::parse(["read"]).unwrap();
        assert!(read.has(AdminScope::LedgerRead) && read.within(AdminScopes::all()));
        assert!(AdminScope::ALL.iter().all(|scope| !read.has(*scope) || !scope.as_str().ends_with("write")));
        assert_eq!(AdminScopes::all().without(read).to_string().matches("write").count(), 6);
        assert_eq!(
            read.intersection(AdminScopes::parse(["tasks:read", "tasks:write"]).unwrap()).to_string(),
            "tasks:read"
        );
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for word in ["", "own", "tasks", "TASKS:READ", "tasks:read "] {
            assert_eq!(AdminScopes::parse(["keys:read", word]), Err(NotAScope(word.into())));
        }
        let text = serde_json::to_string(&AdminScopes::parse(["keys:write", "keys:read"]).unwrap()).unwrap();
        assert_eq!(text, r#"["keys:read","keys:write"]"#);
        assert_eq!(serde_json::from_str::<AdminScopes>(&text).unwrap().to_string(), "keys:read keys:write");
    }
}
