//! What of OTLP 1 is used: traces as protobuf (`opentelemetry/proto/{collector/trace,trace,common,resource}/v1`).

use std::time::{SystemTime, UNIX_EPOCH};

use prost::{Message, Oneof};

use super::record::{Kind, Record, Value};

/// Set in [`Span::flags`] where it is known whether the parent is of another process; it is not.
const FLAGS_SAMPLED: u32 = 1;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Scope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "Content", tags = "1, 2, 3, 4")]
    pub(super) content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(double, tag = "4")]
    Real(f64),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
}

/// A span that has ended at `end`; `None` if it is in no trace.
pub(super) fn span(record: Record, end: SystemTime) -> Option<Span> {
    let place = record.place?;
    Some(Span {
        trace_id: place.context.trace_id.get().to_be_bytes().to_vec(),
        span_id: place.context.span_id.get().to_be_bytes().to_vec(),
        trace_state: place.context.state.unwrap_or_default(),
        parent_span_id: place.parent.map(|parent| parent.get().to_be_bytes().to_vec()).unwrap_or_default(),
        name: record.name.into_owned(),
        kind: match record.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: nanos(record.start),
        end_time_unix_nano: nanos(end.max(record.start)),
        attributes: record.attributes.into_iter().map(|(key, value)| attribute(key.into(), value)).collect(),
        status: record.has_failed.then_some(Status { code: STATUS_ERROR }),
        flags: FLAGS_SAMPLED,
    })
}

/// What a batch of spans is sent as; `resource` says who sends it.
pub(super) fn request(resource: &[(String, String)], spans: Vec<Span>) -> Vec<u8> {
    let attributes = resource.iter().map(|(key, value)| attribute(key.clone(), Value::Text(value.clone())));
    let scope = Scope { name: "filmgate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let resource_spans = ResourceSpans {
        resource: Some(Resource { attributes: attributes.collect() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
    };
    ExportRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// How many spans of a batch the receiver says that it has not taken.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportResponse::decode(answer).unwrap_or_default();
    answer.partial_success.and_then(|partly| u64::try_from(partly.rejected_spans).ok()).unwrap_or(0)
}

fn attribute(key: String, value: Value) -> KeyValue {
    let content = match value {
        Value::Text(text) => Content::Text(text),
        Value::Number(number) => Content::Number(number),
        Value::Real(real) => Content::Real(real),
        Value::Bool(said) => Content::Bool(said),
    };
    KeyValue { key, value: Some(AnyValue { content: Some(content) }) }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
