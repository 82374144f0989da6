//! fal's queue as clients speak it to us, and its endpoint that answers when a request has ended.

use domain::{Call, Failure, FailureKind, Reply, Task, TaskId};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::wire::{Cancel, Detail, ErrorReply, NAME, Queued, status};
use super::{Fal, draft, reply};
use crate::{
    Action, Cancelled, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Wait, answer, key,
};

/// The one of the two questions about a task that asks for its result.
const RESULT: &str = "/fal-ai/{app}/requests/{task_id}";

/// With `user` in it, fal's clients take a 504 for the end of their own patience, and do not submit again.
const TIMEOUT_TYPE: HeaderName = HeaderName::from_static("x-fal-request-timeout-type");

static ENDPOINTS: [Endpoint; 12] = [
    submit("/fal-ai/{app}"),
    submit("/fal-ai/{app}/{a}"),
    submit("/fal-ai/{app}/{a}/{b}"),
    submit("/fal-ai/{app}/{a}/{b}/{c}"),
    // fal has these on a host of their own, at the paths of submissions; here they have a prefix.
    run("/fal-run/fal-ai/{app}"),
    run("/fal-run/fal-ai/{app}/{a}"),
    run("/fal-run/fal-ai/{app}/{a}/{b}"),
    run("/fal-run/fal-ai/{app}/{a}/{b}/{c}"),
    Endpoint {
        method: Method::GET,
        path: "/fal-ai/{app}/requests/{task_id}/status",
        action: Action::Get,
        public: false,
    },
    Endpoint { method: Method::GET, path: RESULT, action: Action::Get, public: false },
    Endpoint {
        method: Method::PUT,
        path: "/fal-ai/{app}/requests/{task_id}/cancel",
        action: Action::Cancel,
        public: false,
    },
    // The queue has no such list; clients of other APIs that share this path get the same.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

const fn submit(path: &'static str) -> Endpoint {
    Endpoint { method: Method::POST, path, action: Action::Create, public: false }
}

const fn run(path: &'static str) -> Endpoint {
    Endpoint { method: Method::POST, path, action: Action::CreateAndWait, public: false }
}

impl Dialect for Fal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = || TaskId::new(params.get("task_id"));
        match endpoint.action {
            Action::Create | Action::CreateAndWait => {
                Ok(Intent::Create(Box::new(draft::decode(params, call)?)))
            }
            Action::Get => Ok(Intent::Get { id: id(), scope: None }),
            Action::Cancel => Ok(Intent::Cancel(id())),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let status = status::IN_QUEUE.to_owned();
        let body = Queued { status, queue_position: Some(0), ..reply::addresses(task, links) };
        answer::json(StatusCode::OK, &body)
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let asks_for_result = endpoint.action == Action::CreateAndWait || endpoint.path == RESULT;
        if asks_for_result { reply::encode_result(task, links) } else { reply::encode_status(task, links) }
    }

    fn wait(&self, endpoint: &Endpoint, _call: &Call) -> Wait {
        if endpoint.action == Action::CreateAndWait { Wait::ForResult } else { Wait::No }
    }

    fn encode_cancelled(&self, _endpoint: &Endpoint, cancelled: &Cancelled<'_>, _links: &Links) -> Reply {
        if cancelled.too_late {
            return answer::json(StatusCode::BAD_REQUEST, &Cancel { status: "ALREADY_COMPLETED" });
        }
        answer::json(StatusCode::ACCEPTED, &Cancel { status: "CANCELLATION_REQUESTED" })
    }

    fn encode_callback(&self, task: &Task, links: &Links) -> Reply {
        reply::encode_webhook(task, links)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let status = status_of(failure.kind);
        let detail = match status {
            StatusCode::UNPROCESSABLE_ENTITY => Detail::Problems(vec![reply::problem_of(failure)]),
            _ => Detail::Text(failure.public.clone()),
        };
        let mut reply = answer::failure(status, failure, &ErrorReply { detail, ..ErrorReply::default() });
        if status == StatusCode::UNAUTHORIZED {
            reply.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Key"));
        }
        if status == StatusCode::GATEWAY_TIMEOUT {
            reply.headers.insert(TIMEOUT_TYPE, HeaderValue::from_static("user"));
        }
        reply
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key::in_authorization(headers, &["Key", "Bearer"])
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        key::in_authorization(headers, &["Key"]).is_some()
    }
}

/// The status of a request that failed. Faults of upstreams are never 401 or 403: the client's key is fine. fal's clients
/// submit again after 408, 409, 429 and 502 to 504, so none of these is said of a task that `/fal-run` waited for and
/// that an upstream may have taken; a 504 says that it must not be, see [`TIMEOUT_TYPE`].
fn status_of(kind: FailureKind) -> StatusCode {
    use FailureKind as K;
    match kind {
        K::InvalidRequest | K::KeyReused | K::ContentPolicy | K::UpstreamRejected => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        K::OutOfBudget => StatusCode::FORBIDDEN,
        K::Unauthorized => StatusCode::UNAUTHORIZED,
        K::NotFound | K::ModelNotFound => StatusCode::NOT_FOUND,
        K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        K::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        K::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        K::RateLimited | K::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        K::Internal | K::GenerationFailed | K::OutcomeUnknown => StatusCode::INTERNAL_SERVER_ERROR,
        K::Expired | K::StillRunning => StatusCode::GATEWAY_TIMEOUT,
    }
}
