//! What it takes to be an API that clients speak to us.

use domain::{Call, Draft, Failure, LimitStatus, Reply, Scope, Task, TaskId, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::key;

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

    /// The reply of a `Get` endpoint to a poll. The task may have been made through any dialect.
    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply;

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

fn seconds(duration: std::time::Duration) -> HeaderValue {
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

/// What an endpoint is for. Several endpoints of a dialect may be for the same; their paths tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Makes a task.
    Create,
    /// Reads a task, or the bytes of its result.
    Get,
    /// Lists the models.
    Models,
}

impl Action {
    /// For metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
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
    /// To know how a task stands. With a scope, a task of another scope does not exist.
    Get {
        /// The task.
        id: TaskId,
        /// The scope in the path, for APIs that have one there.
        scope: Option<Scope>,
    },
    /// The bytes of a finished task's result.
    Content {
        /// The task.
        id: TaskId,
        /// Which of its results, from 0.
        index: usize,
    },
    /// The list of models.
    Models,
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
}
