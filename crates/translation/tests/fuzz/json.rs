//! JSON with the place of every value in its text, so that one can be changed, moved or removed without the others
//! losing their sense. What comes of it is mostly still JSON.

use std::cmp::Reverse;
use std::ops::Range;

use fastrand::Rng;
use serde_json::Value;

use crate::texts;

/// Levels of nesting that a value may be buried under: far more than any decoder follows.
const DEPTH_MAX: usize = 20_000;
/// Values and characters of a list and of a text that are meant to be too long.
const LENGTH_MAX: usize = 20_000;
/// Most changes of one text.
const EDITS_MAX: usize = 3;

/// A JSON text and where its values are.
pub(crate) struct Json {
    text: String,
    nodes: Vec<Node>,
}

/// One value.
struct Node {
    key: Option<Range<usize>>,
    value: Range<usize>,
    /// The key and the value.
    whole: Range<usize>,
    /// What has to go for the value to be gone: with one of the commas.
    cut: Range<usize>,
}

impl Json {
    /// The text of `value`.
    pub(crate) fn of(value: &Value) -> Self {
        let mut json = Self { text: String::new(), nodes: Vec::new() };
        json.write(None, value);
        json
    }

    /// The texts of all values.
    pub(crate) fn values(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().map(|node| self.text[node.value.clone()].to_owned())
    }

    /// The texts of all keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().filter_map(|node| Some(self.text[node.key.clone()?].to_owned()))
    }

    fn write(&mut self, key: Option<&str>, value: &Value) {
        let start = self.text.len();
        let key = key.map(|key| {
            self.text += &Value::from(key).to_string();
            let key = start..self.text.len();
            self.text.push(':');
            key
        });
        let (index, from) = (self.nodes.len(), self.text.len());
        self.nodes.push(Node { key, value: from..from, whole: start..from, cut: start..from });
        match value {
            Value::Array(values) => self.write_all('[', ']', values.iter().map(|value| (None, value))),
            Value::Object(fields) => {
                self.write_all('{', '}', fields.iter().map(|(key, value)| (Some(key.as_str()), value)));
            }
            leaf => self.text += &leaf.to_string(),
        }
        let end = self.text.len();
        let node = &mut self.nodes[index];
        (node.value.end, node.whole.end, node.cut.end) = (end, end, end);
    }

    fn write_all<'a>(
        &mut self,
        open: char,
        close: char,
        values: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    ) {
        self.text.push(open);
        let mut children = Vec::new();
        for (key, value) in values {
            if !children.is_empty() {
                self.text.push(',');
            }
            children.push(self.nodes.len());
            self.write(key, value);
        }
        self.text.push(close);
        for (index, child) in children.iter().enumerate() {
            let Range { start, end } = self.nodes[*child].whole;
            self.nodes[*child].cut = match (children.get(index + 1), index.checked_sub(1)) {
                (Some(next), _) => start..self.nodes[*next].whole.start,
                (None, Some(previous)) => self.nodes[children[previous]].whole.end..end,
                (None, None) => start..end,
            };
        }
    }

    /// The text with a few changes.
    pub(crate) fn edited(&self, random: &mut Rng, values: &[String], keys: &[String]) -> String {
        let count = random.usize(1..=EDITS_MAX);
        let mut edits: Vec<(Range<usize>, String)> =
            (0..count).map(|_| self.edit(random, values, keys)).collect();
        edits.sort_by_key(|(range, _)| Reverse(range.start));
        let mut text = self.text.clone();
        let mut untouched_to = text.len();
        for (range, new) in edits {
            if range.end <= untouched_to {
                untouched_to = range.start;
                text.replace_range(range, &new);
            }
        }
        text
    }

    fn edit(&self, random: &mut Rng, values: &[String], keys: &[String]) -> (Range<usize>, String) {
        let node = &self.nodes[random.usize(..self.nodes.len())];
        let value = &self.text[node.value.clone()];
        let whole = node.whole.start..node.whole.start;
        match random.u8(..100) {
            0..40 => (node.value.clone(), scalar(random)),
            40..55 => (node.value.clone(), texts::pick(random, values).to_owned()),
            55..67 => (node.cut.clone(), String::new()),
            67..73 => (whole, format!("{},", &self.text[node.whole.clone()])),
            73..79 => (whole, format!("{}:{},", texts::pick(random, keys), scalar(random))),
            79..85 => (node.key.clone().unwrap_or(whole), texts::pick(random, keys).to_owned()),
            85..88 => (node.value.clone(), format!("[{value},{value}]")),
            88..91 => (node.value.clone(), format!("{{\"url\":{value}}}")),
            91..95 => (node.value.clone(), Value::from(value).to_string()),
            95..98 => (node.value.clone(), nested(value, random)),
            _ => (node.value.clone(), long(random)),
        }
    }
}

/// A value without values in it.
fn scalar(random: &mut Rng) -> String {
    match random.u8(..10) {
        0..4 => texts::pick(random, texts::LITERALS).to_owned(),
        4 => random.i64(..).to_string(),
        5 => random.u64(..).to_string(),
        6 => (random.f64() * 1e6 - 5e5).to_string(),
        _ => Value::from(texts::text(random)).to_string(),
    }
}

/// `value` below many levels of lists or objects, which may or may not be closed.
fn nested(value: &str, random: &mut Rng) -> String {
    let depth = if random.u8(..20) == 0 { DEPTH_MAX } else { random.usize(1..300) };
    let (open, close) = if random.bool() { ("[", "]") } else { ("{\"a\":", "}") };
    let close = if random.u8(..4) == 0 { "" } else { close };
    format!("{}{value}{}", open.repeat(depth), close.repeat(depth))
}

/// A text, a list, a number or an object that is very long.
fn long(random: &mut Rng) -> String {
    let length = if random.u8(..20) == 0 { LENGTH_MAX } else { random.usize(1..2_000) };
    match random.u8(..5) {
        0 => format!("\"{}\"", "x".repeat(length)),
        1 => format!("[{}0]", "0,".repeat(length)),
        2 => format!("[{}\"\"]", "\"https://a.example/b\",".repeat(length / 20)),
        3 => "9".repeat(length),
        _ => {
            let fields: Vec<String> =
                (0..length / 10).map(|number| format!("\"x{number}\":{number}")).collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

#[test]
fn a_value_can_be_cut_out_of_its_text() {
    let value: Value = serde_json::json!({ "a": [1, "two", null], "b": { "c": true }, "d": [0] });
    let json = Json::of(&value);
    assert_eq!(json.text, value.to_string());
    for node in &json.nodes[1..] {
        let mut text = json.text.clone();
        text.replace_range(node.cut.clone(), "");
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        assert!(text.len() < json.text.len());
    }
    assert_eq!(json.values().count(), 9);
    assert_eq!(json.keys().collect::<Vec<_>>(), ["\"a\"", "\"b\"", "\"c\"", "\"d\""]);
}

#[test]
fn edited_text_is_often_still_json() {
    let json = Json::of(&serde_json::json!({ "a": [1, "two", null], "b": { "c": true } }));
    let mut random = Rng::with_seed(1);
    let texts: Vec<String> =
        (0..1000).map(|_| json.edited(&mut random, &["7".to_owned()], &["\"k\"".to_owned()])).collect();
    let valid = texts.iter().filter(|text| serde_json::from_str::<Value>(text).is_ok()).count();
    assert!((500..1000).contains(&valid), "{valid}");
}
