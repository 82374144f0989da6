//! What a reply must be like: JSON in which words in angle brackets stand for what differs from run to run.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// Of two clocks of the same machine: the most that they differ, in seconds, with all that a run may take between.
const CLOCK_SLACK_S: u64 = 3600;
/// In an object by itself: the text holds JSON.
const JSON: &str = "<json>";

/// What replies have told so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// By name; [`Told::fill`] puts them into requests.
    pub(crate) names: BTreeMap<String, String>,
    /// Where clips must be.
    pub(crate) clips: Vec<String>,
}

impl Told {
    /// `text` with all names in angle brackets replaced; those that nobody told stay.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
    }

    /// Notes what `value` tells, or says where it differs from `pattern`.
    pub(crate) fn read(&mut self, pattern: &Value, value: &Value) -> Result<(), String> {
        self.compare(pattern, value, "body")
    }

    fn compare(&mut self, pattern: &Value, value: &Value, place: &str) -> Result<(), String> {
        match (pattern, value) {
            (Value::Object(fields), _) if fields.len() == 1 && fields.contains_key(JSON) => {
                let inner = value.as_str().and_then(|text| serde_json::from_str(text).ok());
                let inner: Value = inner.ok_or_else(|| differs(pattern, value, place))?;
                self.compare(&fields[JSON], &inner, &format!("{place} as JSON"))
            }
            (Value::Object(fields), Value::Object(found)) => self.compare_fields(fields, found, place),
            (Value::Array(items), Value::Array(found)) if items.len() == found.len() => {
                let mut pairs = items.iter().zip(found).enumerate();
                pairs.try_for_each(|(index, (item, found))| {
                    self.compare(item, found, &format!("{place}[{index}]"))
                })
            }
            (Value::String(word), _) if is_word(word) => match self.is_meant(&word[1..word.len() - 1], value)
            {
                true => Ok(()),
                false => Err(differs(pattern, value, place)),
            },
            _ if pattern == value => Ok(()),
            _ => Err(differs(pattern, value, place)),
        }
    }

    fn compare_fields(
        &mut self,
        fields: &Map<String, Value>,
        found: &Map<String, Value>,
        place: &str,
    ) -> Result<(), String> {
        fields.iter().try_for_each(|(name, pattern)| {
            let place = format!("{place}.{name}");
            let value = found.get(name).ok_or_else(|| format!("{place}: not there"))?;
            self.compare(pattern, value, &place)
        })
    }

    /// Whether `value` is what the word stands for.
    fn is_meant(&mut self, word: &str, value: &Value) -> bool {
        let text = value.as_str().filter(|text| !text.is_empty());
        let whole = value.as_u64();
        match word {
            "text" => text.is_some(),
            "whole" => whole.is_some(),
            "seconds" => whole.is_some_and(is_now),
            "milliseconds" => whole.is_some_and(|milliseconds| is_now(milliseconds / 1000)),
            "percent" => text.is_some_and(is_percent),
            "clip" => {
                self.clips.extend(text.map(str::to_owned));
                text.is_some()
            }
            _ => match (word.strip_prefix("one of "), text) {
                (_, None) => false,
                (Some(words), Some(text)) => words.split(' ').any(|word| word == text),
                (None, Some(text)) => self.names.entry(word.to_owned()).or_insert(text.to_owned()) == text,
            },
        }
    }
}

fn is_word(text: &str) -> bool {
    text.len() > 2 && text.starts_with('<') && text.ends_with('>')
}

fn is_now(seconds: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.abs_diff(seconds) < CLOCK_SLACK_S
}

fn is_percent(text: &str) -> bool {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok());
    number.is_some_and(|number| number <= 100)
}

fn differs(pattern: &Value, value: &Value, place: &str) -> String {
    format!("{place}: {value} found, written is {pattern}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_stand_for_what_differs() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut told = Told::default();
        for (pattern, value) in [
            (json!({ "a": "<id>" }), json!({ "a": "7", "more": 1 })),
            (json!(["<id>", null, 1, "x"]), json!(["7", null, 1, "x"])),
            (json!("<one of A B>"), json!("B")),
            (json!(["<seconds>", "<milliseconds>"]), json!([now, now * 1000])),
            (json!(["<percent>", "<whole>", "<text>"]), json!(["100%", 0, "a"])),
            (json!({ "<json>": { "urls": ["<clip>"] } }), json!("{\"urls\":[\"http://a/b\"]}")),
        ] {
            told.read(&pattern, &value).unwrap();
        }
        assert_eq!(told.clips, ["http://a/b"]);
        assert_eq!(told.fill("/a/<id>?<other>"), "/a/7?<other>");
    }

    #[test]
    fn what_is_written_must_be_there() {
        let mut told = Told::default();
        told.read(&json!("<id>"), &json!("7")).unwrap();
        for (pattern, value) in [
            (json!({ "a": 1 }), json!({})),
            (json!({ "a": null }), json!({})),
            (json!([1]), json!([1, 2])),
            (json!("<id>"), json!("8")),
            (json!("<text>"), json!("")),
            (json!("<name>"), json!(7)),
            (json!("<one of A B>"), json!("A B")),
            (json!("<seconds>"), json!(1_757_169_743)),
            (json!("<percent>"), json!("101%")),
            (json!("<whole>"), json!(-1)),
            (json!({ "<json>": {} }), json!("{")),
            (json!({ "<json>": {} }), json!({})),
        ] {
            assert!(told.read(&pattern, &value).is_err(), "{pattern} {value}");
        }
    }
}
