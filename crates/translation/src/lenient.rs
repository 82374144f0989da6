//! Reads an upstream's JSON: for `#[serde(deserialize_with = ...)]` on wire structs. A value of an unexpected type is
//! an absent value, never an error, so that one odd field does not hide the others.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Text, or a number as text; empty if it is anything else.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

/// A whole number: `5`, `5.0`, `"5"`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    text(deserializer).map(|text| whole_of(text.trim()).and_then(|number| i64::try_from(number).ok()))
}

/// A whole number, 0 if there is none.
pub(crate) fn whole_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    whole(deserializer).map(Option::unwrap_or_default)
}

/// One text, a list of texts, or such a list as JSON in a text. Empty ones and other values are left out.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::String(text) if text.trim_start().starts_with('[') => {
            serde_json::from_str(&text).map(texts_of).unwrap_or_default()
        }
        other => texts_of(other),
    })
}

/// An object of a known shape; absent if it has another.
pub(crate) fn nested<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(value.is_object().then(|| T::deserialize(value).ok()).flatten())
}

/// A list of objects of a known shape, or one of them; others are left out.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        other => vec![other],
    };
    let objects = values.into_iter().filter(Value::is_object);
    Ok(objects.filter_map(|value| T::deserialize(value).ok()).collect())
}

/// A percentage: `42`, `42.7`, `"42%"`, bounded to 0..=100.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    text(deserializer).map(|text| percent_of(&text))
}

/// A whole number from its text.
pub(crate) fn whole_of(text: &str) -> Option<i128> {
    /// Up to here a float holds every whole number exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    text.parse::<i64>().map(i128::from).or_else(|_| text.parse::<u64>().map(i128::from)).ok().or_else(|| {
        let number = text.parse::<f64>().ok()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
    })
}

/// Yes or no from its text.
pub(crate) fn switch_of(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A percentage from its text, `42`, `42%` or `42.7%`, bounded to 0..=100.
pub(crate) fn percent_of(text: &str) -> Option<u8> {
    let number: f64 = text.trim().trim_end_matches('%').trim_end().parse().ok()?;
    number.is_finite().then(|| number.clamp(0.0, 100.0) as u8)
}

fn texts_of(value: Value) -> Vec<String> {
    let values = match value {
        Value::Array(values) => values,
        other => vec![other],
    };
    values
        .into_iter()
        .filter_map(|value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default, Debug, PartialEq)]
    #[serde(default)]
    struct Wire {
        #[serde(deserialize_with = "text")]
        id: String,
        #[serde(deserialize_with = "whole")]
        code: Option<i64>,
        #[serde(deserialize_with = "texts")]
        urls: Vec<String>,
        #[serde(deserialize_with = "nested")]
        inner: Option<Box<Wire>>,
    }

    fn wire(json: &str) -> Wire {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_odd_field_does_not_hide_the_others() {
        let odd = wire(r#"{"id":["x"],"code":"200","urls":{"a":1},"inner":"oops"}"#);
        assert_eq!(odd, Wire { code: Some(200), ..Wire::default() });
        assert_eq!(wire(r#"{"id":7,"code":{},"inner":{"code":1.0}}"#).inner.unwrap().code, Some(1));
    }

    #[test]
    fn urls_come_as_text_list_and_json_in_text() {
        for json in [r#"{"urls":"a"}"#, r#"{"urls":["a","",null,3]}"#, r#"{"urls":"[\"a\"]"}"#] {
            assert_eq!(wire(json).urls, ["a"], "{json}");
        }
        assert!(wire(r#"{"urls":"[broken"}"#).urls.is_empty());
    }

    #[test]
    fn objects_come_alone_or_in_a_list() {
        #[derive(Deserialize)]
        struct List(#[serde(deserialize_with = "objects")] Vec<Wire>);

        let codes = |json: &str| -> Vec<Option<i64>> {
            serde_json::from_str::<List>(json).unwrap().0.into_iter().map(|wire| wire.code).collect()
        };
        assert_eq!(codes(r#"{"code":1}"#), [Some(1)]);
        assert_eq!(codes(r#"[{"code":1}, null, "x", {"code":2}]"#), [Some(1), Some(2)]);
        assert!(codes("7").is_empty());
    }

    #[test]
    fn numbers_are_exact_or_absent() {
        assert_eq!(whole_of("-3"), Some(-3));
        assert_eq!(whole_of("3e2"), Some(300));
        for text in ["", "x", "1.5", "1e300", "NaN", "inf", "0x10"] {
            assert_eq!(whole_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_percentage_stays_in_its_bounds() {
        assert_eq!(percent_of("42%"), Some(42));
        assert_eq!(percent_of(" 42.9 "), Some(42));
        assert_eq!(percent_of("250"), Some(100));
        assert_eq!(percent_of("-1%"), Some(0));
        assert_eq!(percent_of("NaN"), None);
        assert_eq!(percent_of("half"), None);
    }
}
