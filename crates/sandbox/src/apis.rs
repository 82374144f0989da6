//! The APIs that the sandbox speaks: one file and one registry line for each. Pure: bytes in, bytes out.

mod apimart;
mod apixo;
mod evolink;
mod fal;
mod gemini;
mod interactions;
mod kie;
mod kling;
mod luma;
mod minimax;
mod openai;
mod predict;
mod replicate;
mod runway;
mod seedance;
mod v2;
mod vertex;

use std::sync::Arc;

use bytes::Bytes;
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
    &gemini::Gemini,
    &interactions::Interactions,
    &kling::Kling,
    &luma::Luma,
    &minimax::MiniMax,
    &openai::OpenAi,
    &replicate::Replicate,
    &runway::Runway,
    &seedance::Seedance,
    &vertex::Vertex,
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

    /// The same for a task that is made from an earlier one, which has succeeded.
    fn decode_derived(&self, from: &Task, body: &Value) -> Result<Order, Refusal> {
        let _nothing_is = (from, body);
        Err(Refusal::UnknownTask)
    }

    /// What the caller calls its order, in APIs that have such names. It has been read without complaint.
    fn own_name(&self, headers: &HeaderMap, body: &Value) -> Result<Option<String>, Refusal> {
        let _have_none = (headers, body);
        Ok(None)
    }

    /// Whether an order whose name is taken is answered with the task that has it; else it is refused.
    fn repeats(&self) -> bool {
        false
    }

    /// Whether a poll may name a task by what the caller calls it.
    fn finds_by_own_name(&self) -> bool {
        false
    }

    /// Where the caller wants to be told of the task's end; `query` is that of the submit.
    fn listener(&self, body: &Value, query: &str) -> Option<String> {
        let _tells_nobody = (body, query);
        None
    }

    /// What is told there of a task that has ended. The rule is what a poll is answered with.
    fn encode_told(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Value {
        self.encode_progress(task, progress, media_url, place).body
    }

    /// How many results a submit wants; it has been read without complaint.
    fn count(&self, body: &Value) -> u32 {
        let _one_whatever_it_says = body;
        1
    }

    /// The answer to a submit that waited for its task, which has ended as `progress` says. `made` are the results of a
    /// success, `body` is what was ordered.
    fn encode_result(&self, task: &Task, progress: Progress, made: &[Made], body: &Value) -> Product {
        let _none_waits = (task, progress, made, body);
        Product::Answer(self.encode_refusal(&Refusal::Broken))
    }

    /// Which tasks a list shall have.
    fn decode_list(&self, query: &str) -> Result<Listing, Refusal> {
        let _has_none = query;
        Err(Refusal::UnknownTask)
    }

    /// The answer to a call for a list.
    fn encode_list(&self, listed: &[Listed], has_more: bool, place: &Place<'_>) -> Answer {
        let _has_none = (listed, has_more, place);
        self.encode_refusal(&Refusal::UnknownTask)
    }

    /// The answer to a call that has deleted a task.
    fn encode_deleted(&self, task: &Task) -> Answer {
        let _cannot_be = task;
        self.encode_refusal(&Refusal::UnknownTask)
    }

    /// The answer to an accepted submit.
    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer;

    /// The answer to a poll.
    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer;

    /// The task that the body of a poll asks about, for APIs that ask so.
    fn decode_ask(&self, body: &Value) -> Result<String, Refusal> {
        let _none_asks_so = body;
        Err(Refusal::UnknownTask)
    }

    /// Whether what a poll at `place` asks for is there only some time after the task itself.
    fn follows(&self, place: &Place<'_>) -> bool {
        let _nothing_does = place;
        false
    }

    /// The answer to a file, read as strictly as the provider does. Nobody here fetches inputs, so it is not kept; `url`
    /// is where it would lie.
    fn take_file(&self, place: &Place<'_>, body: &Value, url: &str) -> Result<Answer, Refusal> {
        let _takes_none = (place, body, url);
        Err(Refusal::UnknownTask)
    }

    /// Whether the answer to a poll of a task that has succeeded holds the results themselves.
    fn delivers(&self) -> bool {
        false
    }

    /// That answer.
    fn encode_made(&self, task: &Task, made: &[Made], place: &Place<'_>) -> Answer {
        let _none_delivers = (task, made, place);
        self.encode_refusal(&Refusal::Broken)
    }

    /// Whether a task that stands so can be stopped. The rule is that any can that has not ended.
    fn can_stop(&self, progress: Progress) -> bool {
        matches!(progress, Progress::Waiting | Progress::Running { .. })
    }

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
    /// A submit that is answered when its task has ended.
    Generate(Kind),
    /// A submit that makes something of an earlier task.
    Derive {
        kind: Kind,
        id: String,
    },
    /// The id as the client gave it. With a kind, a task of another kind does not exist.
    Poll {
        id: String,
        kind: Option<Kind>,
    },
    /// A poll whose body says of which task.
    Ask(Kind),
    /// One of the results of a finished task, from 0; those with a key are told where it is.
    File {
        id: String,
        nth: u32,
    },
    /// The media of a finished task, for those with a key.
    Content {
        id: String,
    },
    /// The end of a task before its time.
    Cancel {
        id: String,
    },
    /// A file that is sent ahead.
    Upload,
    /// The tasks of a kind.
    List(Kind),
    /// A task that has ended, forgotten.
    Delete {
        id: String,
    },
}

/// Which tasks a list has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Those that follow the task of this id.
    pub(crate) after: Option<String>,
    /// Those accepted at that time or later; milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// So many of them are left out first.
    pub(crate) skip: usize,
    pub(crate) limit: usize,
    /// Oldest first, not newest first.
    pub(crate) ascending: bool,
}

/// A task in a list.
pub(crate) struct Listed {
    pub(crate) task: Arc<Task>,
    pub(crate) progress: Progress,
    pub(crate) media_url: String,
}

/// A result.
pub(crate) struct Made {
    pub(crate) file: Bytes,
    /// Where it is served, too.
    pub(crate) url: String,
}

/// What a submit that waited is answered with.
pub(crate) enum Product {
    Answer(Answer),
    /// The result itself.
    File {
        media_type: &'static str,
        bytes: Bytes,
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
pub(crate) fn read_json(body: &[u8]) -> Result<Value, Refusal> {
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

/// The first value of `name` in a query, decoded.
fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decode_percent(value))
}

/// The value of a field; an absent field, `null` and empty text are all `None`.
fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// The file of a form: its name and its size. It must not be empty.
fn file_field<'a>(body: &'a Value, name: &str) -> Result<(&'a str, u64), Refusal> {
    let file = field(body, name);
    let found = file.and_then(|file| Some((file.get("filename")?.as_str()?, file.get("bytes")?.as_u64()?)));
    let found = found.filter(|(_, bytes)| *bytes > 0);
    found.ok_or_else(|| Refusal::Invalid(format!("{name} must be a file")))
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
