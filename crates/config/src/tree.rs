//! A YAML document as a tree in which each value knows its path and its place.

use std::collections::HashMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Location, MessageFormatter, Spanned};

use crate::problem::{Place, Problems};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 32;
/// The most values that are read, after anchors are followed: enough for hundreds of models at twenty accounts each.
const NODES_MAX: usize = 100_000;

/// One value.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// `accounts[0].provider`; empty at the root.
    pub(crate) path: String,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// What a broken item of a list becomes, so that its neighbours keep their numbers: empty, whatever is wanted.
    Blank,
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Kind {
    /// For messages: the kind, never the value, which may be a misplaced secret.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Null | Self::Blank => "nothing",
            Self::Bool(_) => "true or false",
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads `text`. Repeated keys are noted and the first one kept; text that is not YAML is noted and gives nothing.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options()) {
        Ok(Some(raw)) => Some(Node::from_raw(raw, String::new(), problems)),
        Ok(None) => Some(Node { path: String::new(), place: Place { line: 1, column: 1 }, kind: Kind::Null }),
        Err(error) => {
            problems.add(error.location().and_then(place_of), "", message_of(&error));
            None
        }
    }
}

/// The parser's own words, in one line, without the place: that is written in our own way.
fn message_of(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::AliasError { error, .. } => message_of(error),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "must be one YAML document".to_owned()
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("is too large: at most {NODES_MAX} values, at most {DEPTH_MAX} deep")
        }
        other => {
            let message = serde_saphyr::UserMessageFormatter.format_message(other);
            let one_line = message.chars().map(|c| if c.is_control() { ' ' } else { c });
            format!("is not valid YAML: {}", one_line.collect::<String>())
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn place_of(location: Location) -> Option<Place> {
    (location.line() > 0).then(|| Place { line: location.line(), column: location.column() })
}

impl Node {
    fn from_raw(raw: Spanned<Raw>, path: String, problems: &mut Problems) -> Self {
        let place = place_of(raw.referenced).unwrap_or(Place { line: 1, column: 1 });
        let kind = match raw.value {
            Raw::Scalar(kind) => kind,
            Raw::List(items) => Kind::List(
                (0..)
                    .zip(items)
                    .map(|(index, item): (usize, _)| {
                        Self::from_raw(item, format!("{path}[{index}]"), problems)
                    })
                    .collect(),
            ),
            Raw::Map(entries) => Kind::Map(Self::entries(entries, &path, problems)),
        };
        Self { path, place, kind }
    }

    fn entries(raw: Vec<(Spanned<String>, Spanned<Raw>)>, path: &str, problems: &mut Problems) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let child = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            let key_place = place_of(key.referenced).unwrap_or(Place { line: 1, column: 1 });
            if let Some(first) = entries.iter().find(|entry| entry.key == key.value) {
                let line = first.key_place.line;
                problems.add(Some(key_place), &child, format!("is set a second time, first in line {line}"));
                continue;
            }
            let node = Self::from_raw(value, child, problems);
            entries.push(Entry { key: key.value, key_place, node });
        }
        entries
    }

    /// The place of each path.
    pub(crate) fn places(&self) -> HashMap<String, Place> {
        let mut places = HashMap::new();
        self.note_places(&mut places);
        places
    }

    fn note_places(&self, places: &mut HashMap<String, Place>) {
        places.insert(self.path.clone(), self.place);
        match &self.kind {
            Kind::List(items) => items.iter().for_each(|item| item.note_places(places)),
            Kind::Map(entries) => entries.iter().for_each(|entry| entry.node.note_places(places)),
            _ => {}
        }
    }

    /// Takes the value at `path` out: a key goes, an item of a list becomes blank (and goes if it was).
    pub(crate) fn cut(&mut self, path: &str) {
        if self.path == path {
            self.kind = Kind::Blank;
            return;
        }
        match &mut self.kind {
            Kind::Map(entries) => {
                entries.retain(|entry| entry.node.path != path);
                entries.iter_mut().for_each(|entry| entry.node.cut_below(path));
            }
            Kind::List(items) => {
                items.retain(|item| item.path != path || !matches!(item.kind, Kind::Blank));
                items.iter_mut().for_each(|item| item.cut_below(path));
            }
            _ => {}
        }
    }

    /// The value at `path`, with its key if it has one.
    pub(crate) fn find(&self, path: &str) -> Option<(Option<&Entry>, &Self)> {
        if self.path == path {
            return Some((None, self));
        }
        match &self.kind {
            Kind::List(items) => items.iter().find_map(|item| item.find_below(path)),
            Kind::Map(entries) => entries.iter().find_map(|entry| match entry.node.find_below(path)? {
                (None, node) if node.path == entry.node.path => Some((Some(entry), node)),
                found => Some(found),
            }),
            _ => None,
        }
    }

    fn find_below(&self, path: &str) -> Option<(Option<&Entry>, &Self)> {
        path.starts_with(&self.path).then(|| self.find(path)).flatten()
    }

    fn cut_below(&mut self, path: &str) {
        if path.starts_with(&self.path) {
            self.cut(path);
        }
    }
}

/// A value as the parser gives it.
#[derive(Debug)]
enum Raw {
    Scalar(Kind),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(u64::try_from(value).map_or(Kind::Signed(value), Kind::Unsigned)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
