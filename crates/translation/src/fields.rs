//! Reads a client's JSON object field by field: lenient where the meaning is clear, and where it is not, with a
//! [`Failure`] that names the field, what was found and what is allowed.
//!
//! Values are borrowed from the body until they are asked for, because a body may hold megabytes of base64.

use std::borrow::Cow;
use std::fmt;

use domain::{Failure, FailureKind};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::lenient::{switch_of, whole_of};
use crate::text::bounded;

/// Fields in one object, entries in one list.
const ENTRIES_MAX: usize = 1000;
/// Bytes of all fields that nobody asked for: they are kept with the task.
const REST_BYTES_MAX: usize = 4 << 20;
/// Values in all fields that nobody asked for: in memory a value takes many times the bytes of its text.
const REST_VALUES_MAX: usize = 50_000;
/// Characters of a wrong value that its message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// The fields of a JSON object that were not taken yet. Of a field that is there twice, the last counts.
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

/// One text of a list, with the name that messages call it by: `images[0]`.
pub(crate) struct Item<'a> {
    pub(crate) field: String,
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Fields<'a> {
    /// The fields of `body`, which must be one JSON object. The failure gives line and column, never the body.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Failure> {
        let refuse = |text: String| Err(Failure::new(FailureKind::InvalidRequest, text));
        match body.trim_ascii_start().first() {
            None => refuse("body: empty, a JSON object is required".to_owned()),
            Some(b'{') => {
                serde_json::from_slice(body).or_else(|error| refuse(format!("body: not valid JSON: {error}")))
            }
            Some(_) => refuse("body: a JSON object is required".to_owned()),
        }
    }

    /// Text, trimmed; absent if empty.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        text_of(name, raw, "text").map(present)
    }

    /// Like [`Self::text`], but the field also stays among the rest.
    pub(crate) fn text_kept(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(raw) = self.find(name) else { return Ok(None) };
        text_of(name, raw, "text").map(present)
    }

    /// One of the words `allowed`, in any case.
    pub(crate) fn word(
        &mut self,
        name: &str,
        allowed: &[&'static str],
    ) -> Result<Option<&'static str>, Failure> {
        self.scalar(name, &allowed.join(", "), |text| {
            allowed.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
        })
    }

    /// Text as it is, with its spaces.
    pub(crate) fn prose(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        Ok(Some(text_of(name, raw, "text")?.into_owned()))
    }

    /// A whole number that is not negative: `5`, `5.0`, `"5"`.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        self.scalar(name, "a whole number", |text| u64::try_from(whole_of(text)?).ok())
    }

    /// How many: a whole number from 1.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>, Failure> {
        self.scalar(name, "a whole number from 1", |text| {
            u32::try_from(whole_of(text)?).ok().filter(|count| *count > 0)
        })
    }

    /// A file format, lower case; `jpg` is `jpeg`.
    pub(crate) fn format(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let format = self.text(name)?.map(|text| text.to_ascii_lowercase());
        Ok(format.map(|format| if format == "jpg" { "jpeg".to_owned() } else { format }))
    }

    /// Whole seconds: `5`, `5.0`, `"5"`, `"5s"`.
    pub(crate) fn seconds(&mut self, name: &str) -> Result<Option<u32>, Failure> {
        self.scalar(name, "a whole number of seconds", |text| {
            let number = text.strip_suffix(['s', 'S']).unwrap_or(text);
            u32::try_from(whole_of(number.trim_end())?).ok()
        })
    }

    /// Yes or no: `true`, `"true"`, `1`, `"1"` and their opposites.
    pub(crate) fn switch(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        self.scalar(name, "true or false", switch_of)
    }

    /// One text or a list of texts; empty ones are absent.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<Item<'a>>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(Vec::new()) };
        let allowed = "text or a list of texts";
        if !raw.get().starts_with('[') {
            let text = text_of(name, raw, allowed)?;
            return Ok(item(name.to_owned(), text).into_iter().collect());
        }
        let entries: Entries<'a> = serde_json::from_str(raw.get())
            .map_err(|error| Failure::invalid(name, format!("{name}: {error}")))?;
        let mut items = Vec::new();
        for (index, raw) in entries.0.into_iter().enumerate().filter(|(_, raw)| raw.get() != "null") {
            let field = format!("{name}[{index}]");
            let text = text_of(&field, raw, "text")?;
            items.extend(item(field, text));
        }
        Ok(items)
    }

    /// Whether the field is there, with any value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the field is an object, and not for instance a text.
    pub(crate) fn is_object(&self, name: &str) -> bool {
        self.find(name).is_some_and(|raw| raw.get().starts_with('{'))
    }

    /// Whether the field is a list that begins with an object, and not for instance with a text.
    pub(crate) fn is_list_of_objects(&self, name: &str) -> bool {
        let inside = |raw: &'a RawValue| raw.get().strip_prefix('[').map(str::trim_start);
        self.find(name).and_then(inside).is_some_and(|inside| inside.starts_with('{'))
    }

    /// The fields of an object. Failures of these are named with [`within`].
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Fields<'a>>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        if !raw.get().starts_with('{') {
            return Err(wrong(name, raw, "an object"));
        }
        let fields = serde_json::from_str(raw.get());
        fields.map(Some).map_err(|error| Failure::invalid(name, format!("{name}: {error}")))
    }

    /// A list of objects, each with the name that messages call it by: `image_with_roles[0]`.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<(String, Self)>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(Vec::new()) };
        let allowed = "a list of objects";
        if !raw.get().starts_with('[') {
            return Err(wrong(name, raw, allowed));
        }
        let entries: Entries<'a> = serde_json::from_str(raw.get())
            .map_err(|error| Failure::invalid(name, format!("{name}: {error}")))?;
        let entries = entries.0.into_iter().enumerate().filter(|(_, raw)| raw.get() != "null");
        entries
            .map(|(index, raw)| {
                let field = format!("{name}[{index}]");
                if !raw.get().starts_with('{') {
                    return Err(wrong(&field, raw, "an object"));
                }
                match serde_json::from_str(raw.get()) {
                    Ok(fields) => Ok((field, fields)),
                    Err(error) => Err(Failure::invalid(&field, format!("{field}: {error}"))),
                }
            })
            .collect()
    }

    /// The fields that were not taken, as they came.
    pub(crate) fn rest(self) -> Result<Map<String, Value>, Failure> {
        let (mut bytes, mut values) = (0, 0);
        self.0
            .into_iter()
            .map(|(name, raw)| {
                bytes += raw.get().len();
                values += values_at_most(raw.get());
                let shown = bounded(&name, SHOWN_CHARS_MAX);
                if bytes > REST_BYTES_MAX {
                    let text = format!("{shown}: unknown fields may hold {REST_BYTES_MAX} bytes together");
                    return Err(Failure::invalid(shown, text));
                }
                if values > REST_VALUES_MAX {
                    let text = format!("{shown}: unknown fields may hold {REST_VALUES_MAX} values together");
                    return Err(Failure::invalid(shown, text));
                }
                let value = serde_json::from_str(raw.get()).map_err(|error| {
                    let text = format!("{shown}: {error}");
                    Failure::invalid(shown, text)
                })?;
                Ok((name, value))
            })
            .collect()
    }

    fn scalar<T>(
        &mut self,
        name: &str,
        allowed: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        let text = match raw.get().as_bytes() {
            [b'"', ..] => text_of(name, raw, allowed)?,
            [b'[' | b'{', ..] => return Err(wrong(name, raw, allowed)),
            _ => Cow::Borrowed(raw.get()),
        };
        match text.trim() {
            "" => Ok(None),
            text => read(text).map(Some).ok_or_else(|| wrong(name, raw, allowed)),
        }
    }

    fn find(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().find(|(key, _)| key == name)?;
        (raw.get() != "null").then_some(*raw)
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let raw = self.find(name);
        self.0.retain(|(key, _)| key != name);
        raw
    }
}

/// A failure of a field of the object `name`, by the field's full name: `input.prompt`.
pub(crate) fn within(name: &str, mut failure: Failure) -> Failure {
    if let Some(field) = &mut failure.field {
        *field = format!("{name}.{field}");
        failure.public = format!("{name}.{}", failure.public);
    }
    failure
}

fn item(field: String, text: Cow<'_, str>) -> Option<Item<'_>> {
    (!text.trim().is_empty()).then_some(Item { field, text })
}

fn present(text: Cow<'_, str>) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn text_of<'a>(name: &str, raw: &'a RawValue, allowed: &str) -> Result<Cow<'a, str>, Failure> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    if !raw.get().starts_with('"') {
        return Err(wrong(name, raw, allowed));
    }
    match serde_json::from_str::<Text<'a>>(raw.get()) {
        Ok(text) => Ok(text.0),
        Err(error) => Err(Failure::invalid(name, format!("{name}: {error}"))),
    }
}

fn wrong(name: &str, raw: &RawValue, allowed: &str) -> Failure {
    let found = match raw.get().as_bytes() {
        [b'[', ..] => "a list".to_owned(),
        [b'{', ..] => "an object".to_owned(),
        _ => bounded(raw.get(), SHOWN_CHARS_MAX),
    };
    Failure::invalid(name, format!("{name}: {found} found, allowed is {allowed}"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                    let known = fields.iter().position(|(known, _)| *known == name);
                    match known {
                        Some(index) => fields[index].1 = raw,
                        None if fields.len() == ENTRIES_MAX => {
                            return Err(A::Error::custom("too many fields"));
                        }
                        None => fields.push((name, raw)),
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}

/// A list of at most [`ENTRIES_MAX`] values.
struct Entries<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(raw) = seq.next_element()? {
                    if entries.len() == ENTRIES_MAX {
                        return Err(A::Error::custom("too many entries"));
                    }
                    entries.push(raw);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(List).map(Self)
    }
}

/// How many values a JSON text holds, or more: what separates values may also stand in texts.
fn values_at_most(json: &str) -> usize {
    if json.starts_with('"') {
        return 1;
    }
    1 + json.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields<'_> {
        Fields::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn absent_has_many_spellings() {
        for json in [r#"{}"#, r#"{"f":null}"#, r#"{"f":""}"#, r#"{"f":"  "}"#] {
            assert_eq!(fields(json).text("f").unwrap(), None, "{json}");
            assert_eq!(fields(json).whole("f").unwrap(), None, "{json}");
            assert_eq!(fields(json).switch("f").unwrap(), None, "{json}");
            assert!(fields(json).texts("f").unwrap().is_empty(), "{json}");
        }
        assert!(fields(r#"{"f":["", null, " "]}"#).texts("f").unwrap().is_empty());
    }

    #[test]
    fn numbers_have_many_spellings() {
        for json in [r#"{"f":10}"#, r#"{"f":10.0}"#, r#"{"f":1e1}"#, r#"{"f":"10"}"#, r#"{"f":" 10.0 "}"#] {
            assert_eq!(fields(json).whole("f").unwrap(), Some(10), "{json}");
            assert_eq!(fields(json).seconds("f").unwrap(), Some(10), "{json}");
        }
        assert_eq!(fields(r#"{"f":"10s"}"#).seconds("f").unwrap(), Some(10));
        assert_eq!(fields(r#"{"f":18446744073709551615}"#).whole("f").unwrap(), Some(u64::MAX));
        for json in
            [r#"{"f":-1}"#, r#"{"f":1.5}"#, r#"{"f":1e999}"#, r#"{"f":true}"#, r#"{"f":[1]}"#, r#"{"f":"x"}"#]
        {
            assert_eq!(fields(json).whole("f").unwrap_err().field.as_deref(), Some("f"), "{json}");
        }
    }

    #[test]
    fn a_count_begins_at_1_and_a_format_has_one_name() {
        assert_eq!(fields(r#"{"f":"2"}"#).count("f").unwrap(), Some(2));
        for json in [r#"{"f":0}"#, r#"{"f":1.5}"#, r#"{"f":4294967296}"#] {
            assert_eq!(fields(json).count("f").unwrap_err().field.as_deref(), Some("f"), "{json}");
        }
        assert_eq!(fields(r#"{"f":" JPG "}"#).format("f").unwrap().as_deref(), Some("jpeg"));
        assert_eq!(fields(r#"{"f":"webp"}"#).format("f").unwrap().as_deref(), Some("webp"));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let failure = fields(r#"{"f":{"a":1}}"#).whole("f").unwrap_err();
        assert_eq!(failure.public, "f: an object found, allowed is a whole number");
        let failure = fields(r#"{"f":["a",7]}"#).texts("f").err().unwrap();
        assert_eq!(failure.public, "f[1]: 7 found, allowed is text");
        let long = format!(r#"{{"f":"{}"}}"#, "x".repeat(1000));
        assert!(fields(&long).whole("f").unwrap_err().public.len() < 120);
    }

    #[test]
    fn a_word_is_one_of_a_list() {
        let word = |json| fields(json).word("f", &["async", "callback"]);
        assert_eq!(word(r#"{"f":"Callback"}"#).unwrap(), Some("callback"));
        assert_eq!(word(r#"{"f":" "}"#).unwrap(), None);
        let failure = word(r#"{"f":"sync"}"#).unwrap_err();
        assert_eq!(failure.public, "f: \"sync\" found, allowed is async, callback");
    }

    #[test]
    fn a_list_of_objects_is_read_field_by_field() {
        let mut list = fields(r#"{"f":[{"url":"a","role":"x"},null,{}]}"#).objects("f").unwrap();
        assert_eq!(list.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["f[0]", "f[2]"]);
        assert_eq!(list[0].1.text("url").unwrap().as_deref(), Some("a"));
        assert_eq!(list[1].1.text("url").unwrap(), None);
        assert!(fields(r#"{"f":[ {"a":1}]}"#).is_list_of_objects("f"));
        assert!(!fields(r#"{"f":["{"]}"#).is_list_of_objects("f") && !fields("{}").is_list_of_objects("f"));
        for (json, text) in [
            (r#"{"f":{"url":"a"}}"#, "f: an object found, allowed is a list of objects"),
            (r#"{"f":["a"]}"#, "f[0]: \"a\" found, allowed is an object"),
        ] {
            assert_eq!(fields(json).objects("f").err().unwrap().public, text);
        }
    }

    #[test]
    fn broken_json_is_placed_but_not_repeated() {
        let failure = Fields::parse(b"{\"secret\": tru").err().unwrap();
        assert!(failure.public.contains("line 1 column 14"), "{}", failure.public);
        assert!(!failure.public.contains("secret"));
        for body in ["", "  ", "[1]", "\"x\"", "7", "null", "{} x", "{\"a\":\"\\ud800\"", "\u{feff}{}"] {
            assert_eq!(
                Fields::parse(body.as_bytes()).err().unwrap().kind,
                FailureKind::InvalidRequest,
                "{body}"
            );
        }
    }

    #[test]
    fn depth_and_number_of_fields_are_bounded() {
        let deep = format!(r#"{{"f":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(fields(&deep).rest().unwrap_err().field.as_deref(), Some("f"));
        let wide: Vec<String> = (0..=ENTRIES_MAX).map(|n| format!("\"f{n}\":1")).collect();
        assert!(Fields::parse(format!("{{{}}}", wide.join(",")).as_bytes()).is_err());
        let long = format!(r#"{{"f":[{}""]}}"#, "\"\",".repeat(ENTRIES_MAX));
        assert!(fields(&long).texts("f").is_err());
        let heavy = format!(r#"{{"f":"{}"}}"#, "x".repeat(REST_BYTES_MAX));
        assert_eq!(fields(&heavy).rest().unwrap_err().field.as_deref(), Some("f"));
        let many = format!(r#"{{"f":[{}0]}}"#, "0,".repeat(REST_VALUES_MAX));
        assert!(fields(&many).rest().unwrap_err().public.contains("values"));
        let text = format!(r#"{{"f":"{}"}}"#, ",".repeat(REST_VALUES_MAX * 2));
        assert!(fields(&text).rest().is_ok(), "a text is one value");
    }

    #[test]
    fn a_field_of_an_object_is_named_in_full() {
        let mut outer = fields(r#"{"input":{"n":"x"},"list":[1]}"#);
        let mut inner = outer.object("input").unwrap().unwrap();
        let failure = inner.whole("n").map_err(|failure| within("input", failure)).unwrap_err();
        assert_eq!(failure.field.as_deref(), Some("input.n"));
        assert_eq!(failure.public, "input.n: \"x\" found, allowed is a whole number");
        let failure = outer.object("list").err().unwrap();
        assert_eq!(failure.public, "list: a list found, allowed is an object");
        assert!(outer.object("absent").unwrap().is_none());
    }

    #[test]
    fn what_was_not_taken_remains_in_order_and_the_last_of_two_counts() {
        let mut fields = fields(r#"{"z":1,"known":"x","a":{"b":[null]},"z":2}"#);
        assert_eq!(fields.text("known").unwrap().as_deref(), Some("x"));
        assert_eq!(Value::from(fields.rest().unwrap()).to_string(), r#"{"z":2,"a":{"b":[null]}}"#);
    }
}
