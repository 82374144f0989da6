//! What the mutations begin with: every message of every fixture, of all APIs and both faces.

use domain::{Attempt, Call, GenerationRequest, OwnerId, Task, TaskId, TaskState, Timestamp};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use translation::PathParams;
use translation::fixture::{read_call, read_reply};

use crate::files;
use crate::json::Json;
use crate::message::Message;

/// All that the fixtures hold.
#[derive(Default)]
pub(crate) struct Corpus {
    pub(crate) calls: Vec<Seed>,
    pub(crate) replies: Vec<Seed>,
    /// Values of all JSON bodies, as text.
    pub(crate) values: Vec<String>,
    /// Keys of all JSON bodies, as text in quotes.
    pub(crate) keys: Vec<String>,
    pub(crate) tasks: Vec<Task>,
}

/// A message of a fixture.
pub(crate) struct Seed {
    /// Whose it is, by folder.
    pub(crate) api: String,
    /// The call, if it is one.
    pub(crate) call: Option<Call>,
    pub(crate) message: Message,
    /// The body, if it is JSON.
    pub(crate) json: Option<Json>,
}

/// The part of a `*.task.json` that makes a task.
#[derive(Deserialize)]
struct Given {
    id: TaskId,
    request: GenerationRequest,
    state: TaskState,
    #[serde(default)]
    attempts: Vec<Attempt>,
    created_at: Timestamp,
}

impl Corpus {
    /// Reads all fixtures.
    pub(crate) fn read() -> Self {
        let mut corpus = Self::default();
        for api in files::list(&files::apis()) {
            let fixtures = files::apis().join(&api).join("fixtures");
            for face in files::list(&fixtures) {
                for name in files::list(&fixtures.join(&face)) {
                    let folder = fixtures.join(&face).join(&name);
                    for file in files::list(&folder) {
                        let bytes = files::read(&folder.join(&file)).expect("a readable file");
                        corpus.take(&api, &file, &bytes);
                    }
                }
            }
        }
        corpus.values.sort();
        corpus.values.dedup();
        corpus.keys.sort();
        corpus.keys.dedup();
        assert!(corpus.calls.len() > 100 && corpus.replies.len() > 100 && corpus.tasks.len() > 10);
        corpus
    }

    fn take(&mut self, api: &str, file: &str, bytes: &[u8]) {
        if file.ends_with(".call.http") {
            let call = read_call(bytes).unwrap_or_else(|error| panic!("{api}: {file}: {error}"));
            let seed = self.seed(api, message(StatusCode::OK, call.clone()), Some(call));
            self.calls.push(seed);
        } else if file.ends_with(".reply.http") {
            let reply = read_reply(bytes).unwrap_or_else(|error| panic!("{api}: {file}: {error}"));
            let mut call = Call::get("/");
            (call.headers, call.body) = (reply.headers, reply.body);
            let seed = self.seed(api, message(reply.status, call), None);
            self.replies.push(seed);
        } else if file.ends_with(".task.json") {
            let given: Given =
                serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{api}: {file}: {error}"));
            self.tasks.push(task(api, given));
        }
    }

    fn seed(&mut self, api: &str, message: Message, call: Option<Call>) -> Seed {
        let json = serde_json::from_slice::<Value>(&message.body).ok().map(|value| Json::of(&value));
        if let Some(json) = &json {
            self.values.extend(json.values());
            self.keys.extend(json.keys());
        }
        Seed { api: api.to_owned(), call, message, json }
    }
}

fn message(status: StatusCode, call: Call) -> Message {
    Message {
        status,
        params: PathParams::default(),
        query: call.query,
        headers: call.headers,
        body: call.body,
    }
}

fn task(api: &str, given: Given) -> Task {
    Task {
        id: given.id,
        owner: OwnerId::new("owner"),
        dialect: api.to_owned(),
        request: given.request,
        state: given.state,
        attempts: given.attempts,
        created_at: given.created_at,
        deadline_at: given.created_at,
        quote: domain::Quote::default(),
        version: 0,
    }
}
