//! What is known of one span while it is open.

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::time::SystemTime;

use domain::TraceContext;
use tracing::field::{Field, Visit};

use super::new_span_id;

/// Longer texts are cut, at a character.
const TEXT_BYTES_MAX: usize = 256;
/// Says what the span is called, where that is not known before.
const NAME: &str = "otel.name";
/// Says between whom: [`Kind`].
const KIND: &str = "otel.kind";
/// A span with this attribute is that of something that went wrong.
const ERROR: &str = "error.type";
/// For log lines alone: a span has these by itself.
const KNOWN: [&str; 2] = ["trace_id", "span_id"];

/// A span that may be told.
pub(super) struct Record {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) start: SystemTime,
    /// Absent while it is in no trace.
    pub(super) place: Option<Place>,
    pub(super) attributes: Vec<(Cow<'static, str>, Value)>,
    pub(super) has_failed: bool,
}

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// That of the span itself.
    pub(super) context: TraceContext,
    pub(super) parent: Option<NonZeroU64>,
}

/// Between whom a span is (OpenTelemetry, `SpanKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Real(f64),
    Bool(bool),
}

impl Place {
    pub(super) fn child(parent: &TraceContext) -> Self {
        Self { context: parent.at(new_span_id()), parent: Some(parent.span_id) }
    }

    pub(super) fn root(trace_id: NonZeroU128, is_sampled: bool) -> Self {
        let context = TraceContext { trace_id, span_id: new_span_id(), is_sampled, state: None };
        Self { context, parent: None }
    }
}

impl Record {
    pub(super) fn new(name: &'static str, place: Option<Place>) -> Self {
        let (name, start) = (Cow::Borrowed(name), SystemTime::now());
        Self { name, kind: Kind::Internal, start, place, attributes: Vec::new(), has_failed: false }
    }

    pub(super) fn is_sampled(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.context.is_sampled)
    }

    /// Whether nobody will ever hear of it.
    pub(super) fn is_in_vain(&self) -> bool {
        self.place.as_ref().is_some_and(|place| !place.context.is_sampled)
    }

    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        match (name, value) {
            _ if KNOWN.contains(&name) => {}
            (NAME, Value::Text(text)) => self.name = text.into(),
            (KIND, Value::Text(kind)) => {
                self.kind = match kind.as_str() {
                    "server" => Kind::Server,
                    "client" => Kind::Client,
                    _ => Kind::Internal,
                }
            }
            (_, value) => {
                self.has_failed |= name == ERROR;
                let name = attribute(name);
                self.attributes.retain(|(known, _)| *known != name);
                self.attributes.push((name, value));
            }
        }
    }
}

/// The attribute that a field is: ours have a prefix, and a dot before `id` as all of OpenTelemetry's have.
fn attribute(field: &'static str) -> Cow<'static, str> {
    if field.contains('.') {
        return Cow::Borrowed(field);
    }
    Cow::Owned(match field.strip_suffix("_id") {
        Some(of) => format!("filmgate.{of}.id"),
        None => format!("filmgate.{field}"),
    })
}

impl Visit for Record {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Real(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Number(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Text(value[..value.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
