//! The APIs that the sandbox speaks: one file and one registry line for each. Pure: bytes in, bytes out.

mod apimart;
mod apixo;
mod evolink;
mod fal;
mod interactions;
mod kie;
mod luma;
mod openai;
mod replicate;
mod runway;
mod v2;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::task::{Kind, Order, Progress, Task};

/// All of them. Where two claim a path, the earlier wins.
pub(crate) static APIS: &[&dyn Api] = &[
    &kie::Kie,
    &v2::V2,
    &apixo::Apixo,
    &evolink::EvoLink,
    &apimart::ApiMart,
    &fal::Fal,
    &interactions::Interactions,
    &luma::Luma,
    &openai::OpenAi,
    &replicate::Replicate,
    &runway::Runway,
];

/// An API as a provider serves it.
pub(crate) trait Api: Send + Sync {
    /// Its name in the ledger and in the counters.
    fn name(&self) -> &'static str;

    /// What a call to this API wants; `None` if the path and method are not its own.
    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route>;

    /// The key that a caller presents. Bearer keys are the rule.
    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key_behind("Bearer ", headers)
    }

    /// The body of a submit as JSON, which is the rule.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        let _same_whatever_they_say = headers;
        read_json(body)
    }

    /// Reads a submit as strictly as the provider does.
    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal>;

    /// The answer to an accepted submit.
    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer;

    /// The answer to a poll.
    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer;

    /// The answer to a call that stops a task; `in_time` says whether the task was still at work.
    fn encode_cancel(&self, task: &Task, in_time: bool, place: &Place<'_>) -> Answer {
        let _cannot_be_stopped = (task, in_time, place);
        self.encode_refusal(&Refusal::UnknownTask)
    }

    /// The answer to a poll of a task that was stopped. The rule is that it is gone.
    fn encode_stopped(&self, task: &Task, place: &Place<'_>) -> Answer {
        let _gone = (task, place);
        self.encode_refusal(&Refusal::UnknownTask)
    }

    /// The answer to a call that is refused.
    fn encode_refusal(&self, refusal: &Refusal) -> Answer;

    /// An id in the provider's own form, made of 32 random hexadecimal digits.
    fn encode_id(&self, kind: Kind, random: &str) -> String;
}

/// Where a call came in, for APIs that name a model in the path or give out addresses of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// What stands before [`Self::path`], for instance `http://127.0.0.1:9000/kie`; no trailing slash.
    pub(crate) base_url: &'a str,
    /// The path as the API knows it.
    pub(crate) path: &'a str,
}

/// What a call wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Submit(Kind),
    /// The id as the client gave it. With a kind, a task of another kind does not exist.
    Poll {
        id: String,
        kind: Option<Kind>,
    },
    /// The media of a finished task, for those with a key.
    Content {
        id: String,
    },
    /// The end of a task before its time.
    Cancel {
        id: String,
    },
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No key, or not the right one.
    Unauthorized,
    /// The body is no JSON, too large or broken off.
    Malformed(String),
    /// A field is missing or wrong.
    Invalid(String),
    UnknownTask,
    TooMany,
    Broken,
}

/// An answer before it is bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// A body of JSON.
fn read_json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Malformed(format!("the body could not be read: {error}")))
}

/// The key in `Authorization` behind a scheme, given with its space.
fn key_behind<'a>(scheme: &str, headers: &'a HeaderMap) -> Option<&'a str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(scheme)
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a field; an absent field, `null` and empty text are all `None`.
fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// The value of a text field, or why it is not one.
fn text_field<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = field(body, name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Refusal::Invalid(format!("{name} must be a string")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decode_percent("videos%3A17-AB"), "videos:17-AB");
        assert_eq!(decode_percent("50%"), "50%");
        assert_eq!(decode_percent("%zz%4"), "%zz%4");
        assert_eq!(decode_percent("%c3%a9"), "é");
    }
}
