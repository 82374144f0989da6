//! From the tree to the form of the file. What does not fit is noted and cut out, then the rest is tried again, so that
//! one wrong value does not hide the next.
//!
//! Messages name the kind of a wrong value and never show the value itself, because it may be a misplaced secret.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::near;
use crate::problem::Problems;
use crate::tree::{Entry, Kind, Node};

/// Decodes what can be decoded of `root` and notes the rest; returns it with the paths that were cut out. Nothing if there
/// are too many problems to go on.
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    root: &mut Node,
    problems: &mut Problems,
) -> Option<(T, Vec<String>)> {
    let mut broken = Vec::new();
    while !problems.is_full() {
        match T::deserialize(Reader(root)) {
            Ok(value) => return Some((value, broken)),
            Err(fault) => {
                let path = fault.path.unwrap_or_default();
                let place = root.find(&path).map(|(entry, node)| match (fault.about, entry) {
                    (About::Key, Some(entry)) => entry.key_place,
                    _ => node.place,
                });
                problems.add(place, &path, fault.message);
                root.cut(&path);
                broken.push(path);
            }
        }
    }
    None
}

/// Why a value does not fit. The path is that of the innermost value at fault.
#[derive(Debug)]
struct Fault {
    path: Option<String>,
    about: About,
    message: String,
}

#[derive(Debug, Clone, Copy)]
enum About {
    Key,
    Value,
}

impl Fault {
    fn at(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: None, about: About::Value, message: message.to_string() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = near::suggestion(field, expected.iter().copied());
        let message = if hint.is_empty() {
            format!("unknown key; the keys here are {}", expected.join(", "))
        } else {
            format!("unknown key{hint}")
        };
        Self { about: About::Key, ..Self::custom(message) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = near::suggestion(variant, expected.iter().copied());
        Self::custom(format!("\"{variant}\" is not one of {}{hint}", expected.join(", ")))
    }
}

/// Lets serde read a node.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn unfit(self, expected: &str) -> Fault {
        <Fault as de::Error>::custom(format!("expected {expected}, found {}", self.0.kind.name()))
            .at(&self.0.path)
    }

    fn whole(self, max: u64) -> Result<u64, Fault> {
        match self.0.kind {
            Kind::Unsigned(value) if value <= max => Ok(value),
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => {
                let end = if max == u64::MAX { "up".to_owned() } else { format!("to {max}") };
                let message = format!("expected a whole number from 0 {end}");
                Err(<Fault as de::Error>::custom(message).at(&self.0.path))
            }
            _ => Err(self.unfit("a whole number")),
        }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result: Result<V::Value, Fault> = match &self.0.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Unsigned(value) => visitor.visit_u64(*value),
            Kind::Signed(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
            Kind::Blank => visitor.visit_map(Entries { rest: [].iter(), value: None }),
        };
        result.map_err(|fault| fault.at(&self.0.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.unfit("true or false")),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u64(self.whole(u64::from(u8::MAX))?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u64(self.whole(u64::from(u32::MAX))?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u64(self.whole(u64::MAX)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Text(text) => visitor.visit_str(text).map_err(|fault: Fault| fault.at(&self.0.path)),
            Kind::Blank => visitor.visit_str(""),
            _ => Err(self.unfit(&(&visitor as &dyn de::Expected).to_string())),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::List(_) => self.deserialize_any(visitor),
            Kind::Null | Kind::Blank => visitor.visit_seq(Items([].iter())),
            _ => Err(self.unfit("a list")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Map(_) | Kind::Blank => self.deserialize_any(visitor),
            Kind::Null => visitor.visit_map(Entries { rest: [].iter(), value: None }),
            _ => Err(self.unfit("a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(self.unfit(&format!("one of {}", variants.join(", ")))),
        }
        .map_err(|fault: Fault| fault.at(&self.0.path))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        map identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0
            .next()
            .map(|item| seed.deserialize(Reader(item)).map_err(|fault| fault.at(&item.path)))
            .transpose()
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(&entry.node);
        let key: de::value::StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.node.path))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let node = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(Reader(node)).map_err(|fault| fault.at(&node.path))
    }
}
