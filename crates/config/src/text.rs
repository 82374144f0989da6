//! Durations and sizes as text with a unit: `250ms`, `5s`, `10m`, `24h`, `7d`; `512B`, `4KiB`, `64MiB`, `2GiB`.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units of time in milliseconds, largest first.
const TIME_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size in bytes, largest first.
const SIZE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurationText(pub(crate) Duration);

/// A number of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SizeText(pub(crate) u64);

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn format(value: u64, units: &[(&str, u64)]) -> String {
    let smallest = units.last().expect("a unit table is never empty");
    let fits = |(_, factor): &&(&str, u64)| value > 0 && value.is_multiple_of(*factor);
    let (unit, factor) = units.iter().find(fits).unwrap_or(smallest);
    format!("{}{unit}", value / factor)
}

/// Reads a value that is written as text. What does not fit is not shown, because it may be a misplaced secret.
pub(crate) struct TextVisitor<T> {
    /// After "expected".
    pub(crate) expected: &'static str,
    pub(crate) parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(format!("expected {}", self.expected)))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a duration such as 30s (a whole number and ms, s, m, h or d)",
            parse: |text| parse(text, TIME_UNITS).map(|millis| Self(Duration::from_millis(millis))),
        })
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        serializer.serialize_str(&format(millis, TIME_UNITS))
    }
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a size such as 64MiB (a whole number and B, KiB, MiB or GiB)",
            parse: |text| parse(text, SIZE_UNITS).map(Self),
        })
    }
}

impl Serialize for SizeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(self.0, SIZE_UNITS))
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" })
    }
}

/// For `#[serde(deserialize_with = "text::address")]`.
pub(crate) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_str(TextVisitor {
        expected: "an IP address with a port, such as 127.0.0.1:8080",
        parse: |text| text.parse().ok(),
    })
}

/// For `#[serde(with = "text::duration")]` on a [`Duration`].
pub(crate) mod duration {
    use super::{Deserialize, Deserializer, Duration, DurationText, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        DurationText(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        DurationText::deserialize(deserializer).map(|text| text.0)
    }
}

/// For `#[serde(with = "text::size")]` on a number of bytes.
pub(crate) mod size {
    use super::{Deserialize, Deserializer, Serialize, Serializer, SizeText};

    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        SizeText(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        SizeText::deserialize(deserializer).map(|text| text.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_needs_a_whole_number_and_a_unit() {
        assert_eq!(parse("250ms", TIME_UNITS), Some(250));
        assert_eq!(parse("10m", TIME_UNITS), Some(600_000));
        assert_eq!(parse("64MiB", SIZE_UNITS), Some(64 << 20));
        for wrong in
            ["", "5", "s", "1.5s", "-5s", "5 s", "5S", "99999999999999999999s", "999999999999999999d"]
        {
            assert_eq!(parse(wrong, TIME_UNITS), None, "{wrong}");
        }
        assert_eq!(parse("64MB", SIZE_UNITS), None);
    }

    #[test]
    fn the_largest_fitting_unit_is_written() {
        assert_eq!(format(90_000, TIME_UNITS), "90s");
        assert_eq!(format(1500, TIME_UNITS), "1500ms");
        assert_eq!(format(0, TIME_UNITS), "0ms");
        assert_eq!(format(2 << 30, SIZE_UNITS), "2GiB");
    }
}
