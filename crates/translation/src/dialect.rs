//! What it takes to be an API that clients speak to us.

use std::time::Duration;

use bytes::Bytes;
use domain::{
    Call, Draft, DraftUpload, Failure, LimitStatus, ModelSpec, Reply, Scope, Task, TaskId, Timestamp,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::{answer, key};

/// An API that clients speak to us: stateless, pure, object-safe. Mirror image of [`crate::Provider`].
pub trait Dialect: Send + Sync {
    /// The registry name, stored with each task: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// The paths and methods that belong to this API.
    fn endpoints(&self) -> &'static [Endpoint];

    /// Reads a request to one of [`Self::endpoints`].
    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure>;

    /// The reply of a `Create` endpoint to an accepted task.
    fn encode_created(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply;

    /// The reply of a `Get` endpoint to a poll, and the data of the events of an `Events` endpoint. The task may have been made
    /// through any dialect.
    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply;

    /// The name of an event of an `Events` endpoint: the API's word for how the task stands, visible ASCII.
    fn event_name(&self, task: &Task) -> &'static str {
        let _name_of_the_nameless = task;
        "message"
    }

    /// Whether the reply to a `Create` endpoint waits for the task, and how long; the reply is then that to a poll. The reply
    /// to a `Get` endpoint waits with [`Wait::UpTo`] only; [`Wait::ForMedia`] puts the results themselves into that to a poll
    /// of a task that has succeeded.
    fn wait(&self, endpoint: &Endpoint, call: &Call) -> Wait {
        let _answers_at_once = (endpoint, call);
        Wait::No
    }

    /// The reply of an endpoint that waits for the result or for media, to a task that has succeeded. `media` are the bytes of
    /// its results that could be read, in order; none if the endpoint asked for none.
    fn encode_result(&self, endpoint: &Endpoint, task: &Task, media: &[Bytes], links: &Links) -> Reply {
        let _urls_are_enough = media;
        self.encode_task(endpoint, task, links)
    }

    /// The reply of a `List` endpoint. The tasks may have been made through any dialect.
    fn encode_list(&self, endpoint: &Endpoint, page: &Page, links: &Links) -> Reply {
        let _no_list = (endpoint, page, links);
        answer::empty(StatusCode::NO_CONTENT)
    }

    /// The reply of a `Cancel` endpoint: the task as it stands after the wish was noted, or as it ended before.
    fn encode_cancelled(&self, endpoint: &Endpoint, cancelled: &Cancelled<'_>, links: &Links) -> Reply {
        self.encode_task(endpoint, cancelled.task, links)
    }

    /// The reply of a `Delete` endpoint.
    fn encode_deleted(&self, endpoint: &Endpoint, id: &TaskId) -> Reply {
        let _no_word = (endpoint, id);
        answer::empty(StatusCode::NO_CONTENT)
    }

    /// The reply of an `Upload` endpoint.
    fn encode_upload(&self, endpoint: &Endpoint, upload: &Upload, links: &Links) -> Reply {
        let _no_word = (endpoint, upload, links);
        answer::empty(StatusCode::NO_CONTENT)
    }

    /// The message that tells a client's own server how a task ended: by rule the reply to a poll.
    fn encode_callback(&self, task: &Task, links: &Links) -> Reply {
        let poll = self.endpoints().iter().find(|endpoint| endpoint.action == Action::Get);
        poll.map_or_else(|| answer::empty(StatusCode::NO_CONTENT), |poll| self.encode_task(poll, task, links))
    }

    /// The reply to a request for the list of models.
    fn encode_models(&self, models: &[ModelListing]) -> Reply;

    /// The reply to a request that failed: the only place where this API's error statuses and shapes are known.
    fn encode_failure(&self, failure: &Failure) -> Reply;

    /// The client's key, where this API has it; `None` if it is not there, or there twice. Bearer keys are the rule.
    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key::in_authorization(headers, &["Bearer"])
    }

    /// Whether the headers show that a request is meant for this API and not for another one that claims the same path.
    fn recognises(&self, headers: &HeaderMap) -> bool {
        let _no_header_is_typical = headers;
        false
    }

    /// Whether the query shows that a request to `endpoint` is not meant for this API, where another one claims the
    /// same path.
    fn disclaims(&self, endpoint: &Endpoint, query: &str) -> bool {
        let _no_query_is_foreign = (endpoint, query);
        false
    }

    /// Whether the body shows that a request is meant for this API and not for another one that claims the same path.
    /// Asked only where neither the key nor the path's prefix, the headers or the query have decided.
    fn recognises_body(&self, endpoint: &Endpoint, body: &[u8]) -> bool {
        let _no_body_is_typical = (endpoint, body);
        false
    }

    /// The headers that tell a client where it stands with its rate limit. The names are those that the field
    /// made common; an API with names of its own overrides this.
    fn rate_limit_headers(&self, status: &LimitStatus) -> Vec<(HeaderName, HeaderValue)> {
        vec![
            (HeaderName::from_static("x-ratelimit-limit-requests"), status.limit.into()),
            (HeaderName::from_static("x-ratelimit-remaining-requests"), status.remaining.into()),
            (HeaderName::from_static("x-ratelimit-reset-requests"), seconds(status.reset_after)),
        ]
    }
}

fn seconds(duration: Duration) -> HeaderValue {
    HeaderValue::from_str(&format!("{:.3}s", duration.as_secs_f64()))
        .unwrap_or_else(|_| HeaderValue::from_static("0s"))
}

/// One path and method of a dialect.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path in the syntax of `matchit`: `/v2/{scope}/generations/{task_id}`.
    pub path: &'static str,
    /// What it is for.
    pub action: Action,
    /// Whether a client key is needed.
    pub public: bool,
}

impl Endpoint {
    /// The failure of a request for what the dialect has no endpoint for: it can only be a mistake in its table.
    pub(crate) fn undeclared(&self) -> Failure {
        Failure::internal(format!("{} is declared for an action that its dialect does not know", self.path))
    }
}

/// What an endpoint is for. Several endpoints of a dialect may be for the same; their paths tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Makes a task.
    Create,
    /// Makes a task and answers when it has ended.
    CreateAndWait,
    /// Makes something of an earlier task's result, or says how that stands.
    Derive,
    /// Reads a task, or the bytes of its result.
    Get,
    /// Follows a task by a stream of events.
    Events,
    /// Lists tasks.
    List,
    /// Stops a task.
    Cancel,
    /// Forgets a task and its results.
    Delete,
    /// Takes a file for a later request.
    Upload,
    /// Lists the models.
    Models,
}

impl Action {
    /// For metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateAndWait => "create_and_wait",
            Self::Derive => "derive",
            Self::Get => "get",
            Self::Events => "events",
            Self::List => "list",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Upload => "upload",
            Self::Models => "models",
        }
    }
}

/// The values of the path's `{name}` segments, percent-decoded.
#[derive(Debug, Clone, Default)]
pub struct PathParams(pub Vec<(String, String)>);

impl PathParams {
    /// The value of `{name}`; empty if the path has no such segment.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// What a client wants of us.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// A new task.
    Create(Box<Draft>),
    /// What is made of an earlier result without another word from the client, such as the same clip with more lines.
    /// Asked again it is the same task, so asking is also how to know how it stands.
    Derive(Box<Draft>),
    /// To know how a task stands. With a scope, a task of another scope does not exist.
    Get {
        /// The task.
        id: TaskId,
        /// The scope in the path, for APIs that have one there.
        scope: Option<Scope>,
    },
    /// To be told how a task stands, now and after each change until its end. With a scope, as with `Get`.
    Events {
        /// The task.
        id: TaskId,
        /// The scope in the path, for APIs that have one there.
        scope: Option<Scope>,
        /// The version of the task that the client has seen, if it says so otherwise than by `Last-Event-ID`.
        seen: Option<u64>,
    },
    /// The bytes of a finished task's result.
    Content {
        /// The task.
        id: TaskId,
        /// Which of its results, from 0.
        index: usize,
    },
    /// The client's own tasks.
    List(ListQuery),
    /// The end of a task, if it can be had.
    Cancel(TaskId),
    /// A task forgotten, with its results. Only an ended one can be.
    Delete(TaskId),
    /// A file kept for a later request.
    Upload(Box<DraftUpload>),
    /// The list of models.
    Models,
}

/// Whether a reply waits for its task. A client that waits for longer than the gateway's own bound is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It does not: the reply is that of an accepted task.
    No,
    /// For so long at most; then it says how the task stands.
    UpTo(Duration),
    /// Until the task has ended. A task that failed is a request that failed.
    ForResult,
    /// The same, and the reply holds the results themselves.
    ForMedia,
}

/// Which tasks a client wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only those.
    pub scope: Option<Scope>,
    /// Those that follow this one.
    pub after: Option<TaskId>,
    /// At most so many, 1 to 100.
    pub limit: usize,
    /// Oldest first, not newest first.
    pub ascending: bool,
}

/// Some of a client's tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// In the order asked for.
    pub tasks: Vec<Task>,
    /// Whether others follow.
    pub has_more: bool,
}

/// What became of the wish to stop a task.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled<'a> {
    /// The task as it stands now.
    pub task: &'a Task,
    /// Whether it had ended before.
    pub too_late: bool,
}

/// A file that is kept for later requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The gateway's own name of it.
    pub id: String,
    /// Where upstreams and this gateway read it, for as long as it is kept.
    pub url: String,
    /// The client's name for it; empty if it gave none.
    pub name: String,
    /// For instance `image/png`.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When its URL ends.
    pub expires_at: Timestamp,
}

/// What a reply needs besides the task.
#[derive(Debug, Clone)]
pub struct Links {
    /// Where the client reaches this gateway: `https://gateway.example.com`, no trailing slash.
    pub base_url: String,
    /// The moment of the reply.
    pub now: Timestamp,
    /// The headers of the request: some APIs let a client choose the shape of an answer there.
    pub headers: HeaderMap,
}

/// A model in the list of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelListing {
    /// The public name.
    pub name: String,
    /// What it makes.
    pub scope: Scope,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Whether clients should leave it.
    pub deprecated: bool,
    /// The public model to go to instead.
    pub replaced_by: Option<String>,
}

impl From<&ModelSpec> for ModelListing {
    fn from(spec: &ModelSpec) -> Self {
        Self {
            name: spec.name.clone(),
            scope: spec.scope,
            aliases: spec.aliases.clone(),
            deprecated: spec.deprecated,
            replaced_by: spec.replaced_by.clone(),
        }
    }
}
