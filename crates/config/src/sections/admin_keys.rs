//! The keys of the operator's API that may not do everything, as written.

use std::borrow::Cow;

use domain::AdminScopes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::environment::SecretRef;

/// A key of the operator's API, and what it may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "key", "scopes"]))]
pub struct AdminKey {
    /// What the log calls whoever uses it.
    #[schemars(extend("examples" = ["dashboard"]))]
    pub name: Option<String>,
    /// Where the key is: env:NAME or file:PATH. At least 24 characters.
    #[schemars(extend("examples" = ["env:DASHBOARD_KEY"]))]
    pub key: Option<SecretRef>,
    /// What it may do. "read" is all that reads, "all" is everything.
    #[serde(default)]
    #[schemars(with = "Vec<ScopeWord>", extend("examples" = [["tasks:read", "ledger:read"]]))]
    pub scopes: Vec<String>,
}

/// The schema of a word for scopes.
struct ScopeWord;

impl JsonSchema for ScopeWord {
    fn schema_name() -> Cow<'static, str> {
        "AdminScope".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": AdminScopes::WORDS })
    }
}
