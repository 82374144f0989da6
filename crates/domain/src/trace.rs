//! Where work stands in a distributed trace: what W3C Trace Context carries from one process to the next.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Deserialize, Serialize};

/// A `traceparent` of version 00 has exactly so many characters.
const PARENT_LEN: usize = 55;
/// What a `tracestate` may have at most, in bytes: what all are asked to pass on at least.
const STATE_BYTES_MAX: usize = 512;
/// The bit of the flags that says that somebody records the trace.
const SAMPLED: u8 = 1;

/// A place in a trace: which trace, and which span of it is the parent of what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct TraceContext {
    /// The trace.
    pub trace_id: NonZeroU128,
    /// The span.
    pub span_id: NonZeroU64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
    /// What others keep beside it: a `tracestate` as it came.
    pub state: Option<String>,
}

/// Where the life of one task stands in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTrace {
    /// The span of the whole task, and so the parent of all that is done for it. It is told when the task has ended.
    #[serde(flatten)]
    pub context: TraceContext,
    /// The span of the request that was accepted.
    #[serde(with = "span_id")]
    pub parent: NonZeroU64,
}

/// A text that is no trace context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C trace context of version 00")]
pub struct NotATraceContext;

impl TraceContext {
    /// Reads the header `traceparent`, and `tracestate` if there is one; one that is malformed is left out.
    ///
    /// # Errors
    /// If `parent` is not of version 00, or not exactly as W3C Trace Context has it (section 3.2.2).
    pub fn parse(parent: &str, state: Option<&str>) -> Result<Self, NotATraceContext> {
        let lower_hex = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let mut parts = parent.split('-');
        let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some("00"), Some(trace), Some(span), Some(flags), None) =
            (version, trace, span, flags, parts.next())
        else {
            return Err(NotATraceContext);
        };
        let is_formed = parent.len() == PARENT_LEN && trace.len() == 32 && span.len() == 16;
        if !is_formed || ![trace, span, flags].iter().all(|part| part.as_bytes().iter().all(lower_hex)) {
            return Err(NotATraceContext);
        }
        let trace_id = u128::from_str_radix(trace, 16).map_err(|_| NotATraceContext)?;
        let span_id = u64::from_str_radix(span, 16).map_err(|_| NotATraceContext)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NotATraceContext)?;
        Ok(Self {
            trace_id: NonZeroU128::new(trace_id).ok_or(NotATraceContext)?,
            span_id: NonZeroU64::new(span_id).ok_or(NotATraceContext)?,
            is_sampled: flags & SAMPLED != 0,
            state: state.filter(|state| is_state(state)).map(str::to_owned),
        })
    }

    /// The same trace, at another span.
    #[must_use]
    pub fn at(&self, span_id: NonZeroU64) -> Self {
        Self { span_id, ..self.clone() }
    }
}

/// As in `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.is_sampled { SAMPLED } else { 0 };
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }
}

/// Whether a text can be passed on as a `tracestate`: members of the form `key=value`, in visible ASCII, not too long.
fn is_state(text: &str) -> bool {
    let is_member = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        member.is_empty()
            || member.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
    };
    !text.is_empty()
        && text.len() <= STATE_BYTES_MAX
        && text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e))
        && text.split(',').all(is_member)
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Wire {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl From<TraceContext> for Wire {
    fn from(context: TraceContext) -> Self {
        Self { traceparent: context.to_string(), tracestate: context.state }
    }
}

impl TryFrom<Wire> for TraceContext {
    type Error = NotATraceContext;

    fn try_from(wire: Wire) -> Result<Self, NotATraceContext> {
        Self::parse(&wire.traceparent, wire.tracestate.as_deref())
    }
}

/// A span's id as 16 hexadecimal digits.
mod span_id {
    use std::num::NonZeroU64;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &NonZeroU64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{id:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NonZeroU64, D::Error> {
        let id = u64::from_str_radix(&String::deserialize(from)?, 16).ok().and_then(NonZeroU64::new);
        id.ok_or_else(|| D::Error::custom("not the id of a span"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_read_and_written_as_it_is() {
        let context = TraceContext::parse(PARENT, Some("vendor=1, other=2")).unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.state.as_deref(), Some("vendor=1, other=2"));
        let trace = TaskTrace { parent: context.span_id, context };
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<TaskTrace>(&text).unwrap(), trace, "{text}");
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for refused in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        ] {
            assert_eq!(TraceContext::parse(refused, None), Err(NotATraceContext), "{refused}");
        }
    }

    #[test]
    fn a_state_that_is_none_is_left_out() {
        let long = format!("a={}", "b".repeat(STATE_BYTES_MAX));
        for dropped in ["", "no-value", "a=1,b", "a=\r\nx-key: 1", "a=\u{e4}", "=1", long.as_str()] {
            assert_eq!(TraceContext::parse(PARENT, Some(dropped)).unwrap().state, None, "{dropped}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(parent in "\\PC{0,60}", state in "\\PC{0,600}") {
            let _read = TraceContext::parse(&parent, Some(&state));
        }
    }
}
