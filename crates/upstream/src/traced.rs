//! The spans of calls, and the headers by which whoever is called can join the trace. Nothing of a path or a query is told:
//! there are ids, keys and signatures in them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use telemetry::trace;
use tracing::Span;
use tracing::field::Empty;

/// Where a call stands in a trace (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What others keep beside it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Who is told in which trace a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Propagation {
    /// Accounts. They are not told what clients keep in a `tracestate`.
    pub to_accounts: bool,
    /// Clients' own servers.
    pub to_listeners: bool,
}

/// The span of a call.
pub(crate) fn span(method: &Method, uri: &Uri) -> Span {
    tracing::info_span!(
        "call",
        "otel.kind" = "client",
        "otel.name" = method.as_str(),
        "http.request.method" = method.as_str(),
        "http.response.status_code" = Empty,
        "server.address" = uri.host(),
        "server.port" = uri.port_u16(),
        "error.type" = Empty,
    )
}

/// Tells an account in which trace the call of `span` is.
pub(crate) fn tell_account(span: &Span, headers: &mut HeaderMap) {
    if let Some(context) = trace::context(span) {
        put(headers, TRACEPARENT, &context.to_string());
    }
}

/// Tells a client's own server, which knows what the client keeps beside its traces.
pub(crate) fn tell_listener(span: &Span, headers: &mut HeaderMap) {
    let Some(context) = trace::context(span) else { return };
    put(headers, TRACEPARENT, &context.to_string());
    if let Some(state) = &context.state {
        put(headers, TRACESTATE, state);
    }
}

/// Notes what came of the call of `span`; an error is known by its kind alone, for its words may be somebody else's.
pub(crate) fn note(span: &Span, outcome: Result<StatusCode, &'static str>) {
    match outcome {
        Ok(status) => {
            span.record("http.response.status_code", status.as_u16());
            if status.is_client_error() || status.is_server_error() {
                span.record("error.type", status.as_str());
            }
        }
        Err(kind) => {
            span.record("error.type", kind);
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
