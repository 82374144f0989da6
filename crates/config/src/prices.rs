//! Amounts and prices as they are written.

use std::borrow::Cow;
use std::fmt;

use domain::Money;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal digits that a number keeps exactly where YAML reads it as a binary fraction.
const EXACT_DIGITS_MAX: usize = 15;
const AMOUNT: &str = "an amount such as \"0.40\": a decimal number, not negative, with at most 9 places";

/// An amount of money in a file, not negative: decimal text, or a number whose digits are kept exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AmountText(pub(crate) Money);

/// A price: one amount for each result, or rules.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PriceEntry {
    /// For each result.
    PerCall(AmountText),
    /// The first rule that fits a request counts.
    Rules(Vec<RuleEntry>),
}

/// What requests that fit cost, for each result. It has one of per_call, per_second and per_megapixel. What a request does
/// not say fits no condition.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuleEntry {
    /// Only requests for this resolution.
    #[schemars(extend("examples" = ["4k"]))]
    pub(crate) resolution: Option<String>,
    /// Only requests for this quality.
    #[schemars(extend("examples" = ["high"]))]
    pub(crate) quality: Option<String>,
    /// Only requests with this mode, a field that some APIs have.
    #[schemars(extend("examples" = ["fast"]))]
    pub(crate) mode: Option<String>,
    /// Only requests with sound, or without.
    #[schemars(extend("examples" = [false]))]
    pub(crate) audio: Option<bool>,
    /// Only requests for so many results.
    #[schemars(extend("examples" = [1]))]
    pub(crate) count: Option<u32>,
    /// Whatever the result is like.
    #[schemars(extend("examples" = ["0.40"]))]
    pub(crate) per_call: Option<AmountText>,
    /// For each second.
    #[schemars(extend("examples" = ["0.60"]))]
    pub(crate) per_second: Option<AmountText>,
    /// With per_second: how many count where the request does not say. Take the provider's default, or the most it makes.
    #[schemars(extend("examples" = [8]))]
    pub(crate) seconds: Option<u32>,
    /// For each million pixels.
    #[schemars(extend("examples" = ["0.04"]))]
    pub(crate) per_megapixel: Option<AmountText>,
    /// With per_megapixel: how many count where the request does not say.
    #[schemars(extend("examples" = ["1.048576"]))]
    pub(crate) megapixels: Option<AmountText>,
}

impl AmountText {
    fn parse(text: &str) -> Option<Self> {
        Money::parse(text).ok().filter(|amount| *amount >= Money::ZERO).map(Self)
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl Serialize for AmountText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for AmountText {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]{1,9})?$", "minimum": 0 })
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = AmountText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AMOUNT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AmountText, E> {
        AmountText::parse(text).ok_or_else(|| E::custom(format!("expected {AMOUNT}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<AmountText, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<AmountText, E> {
        let text = number.to_string();
        if text.bytes().filter(u8::is_ascii_digit).count() > EXACT_DIGITS_MAX {
            return Err(E::custom("has too many digits for a number; write it as text, in quotes"));
        }
        self.visit_str(&text)
    }
}

/// By hand, because serde's untagged enums forget where they were and what exactly did not fit.
impl<'de> Deserialize<'de> for PriceEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriceVisitor)
    }
}

struct PriceVisitor;

impl<'de> Visitor<'de> for PriceVisitor {
    type Value = PriceEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{AMOUNT}, or a list of rules")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PriceEntry, E> {
        AmountVisitor.visit_str(text).map(PriceEntry::PerCall)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<PriceEntry, E> {
        AmountVisitor.visit_u64(number).map(PriceEntry::PerCall)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<PriceEntry, E> {
        AmountVisitor.visit_f64(number).map(PriceEntry::PerCall)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rules: A) -> Result<PriceEntry, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(rules)).map(PriceEntry::Rules)
    }
}

/// For `#[serde(with = "prices::amount")]` on an optional amount.
pub(crate) mod amount {
    use super::{AmountText, Deserialize, Deserializer, Money, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(AmountText).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
        Ok(Option::<AmountText>::deserialize(deserializer)?.map(|amount| amount.0))
    }
}
