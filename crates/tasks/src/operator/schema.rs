//! The schemas of values that know nothing of schemas.

use std::borrow::Cow;

use domain::AdminScopes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A word for scopes.
pub(crate) struct ScopeWord;

/// An amount of money.
pub(crate) struct Amount;

/// The kind of a result.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(crate) enum ResultScope {
    Images,
    Videos,
    Audio,
}

impl JsonSchema for ScopeWord {
    fn schema_name() -> Cow<'static, str> {
        "AdminScope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": AdminScopes::WORDS })
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?$",
            "description": "An amount of money as a decimal number, in the currency of the ledger.",
        })
    }
}
