//! The contract as clients speak it to us.

use domain::{Call, Failure, FailureKind, Output, Reply, Scope, Task, TaskId, TaskState};
use http::{Method, StatusCode};

use super::V2;
use super::draft::decode_draft;
use super::wait::decode_wait;
use super::wire::{
    Created, Data, ErrorDetail, ErrorReply, ImageTaskReply, NAME, StoredFile, TaskReply, status,
};
use crate::progress::percent;
use crate::{
    Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Upload, Wait, answer, upload, web,
};

/// The value of `platform`: the one who answers, not the one behind it, which may change with every attempt.
const PLATFORM: &str = "filmgate";

/// The parameter of event streams for clients that cannot send the `Last-Event-ID` header.
const LAST_EVENT_ID: &str = "last_event_id";

/// Where clients of the family ask for pictures with `?async=true`; without it the path means a synchronous API.
const ASYNC_IMAGES: &str = "/v1/images/generations";
/// The same for pictures made of others, as a form.
const ASYNC_EDITS: &str = "/v1/images/edits";
/// Where they read such tasks, and others' too: `data` is an object in every state.
const IMAGE_TASK: &str = "/v1/images/tasks/{task_id}";
/// What a callback notes of a task that was made where [`IMAGE_TASK`] is read.
const AS_IMAGE_TASK: &str = "image_task";

static ENDPOINTS: [Endpoint; 8] = [
    Endpoint { method: Method::POST, path: "/v2/{scope}/generations", action: Action::Create, public: false },
    Endpoint {
        method: Method::GET,
        path: "/v2/{scope}/generations/{task_id}",
        action: Action::Get,
        public: false,
    },
    Endpoint {
        method: Method::GET,
        path: "/v2/{scope}/generations/{task_id}/events",
        action: Action::Events,
        public: false,
    },
    Endpoint { method: Method::POST, path: ASYNC_IMAGES, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: ASYNC_EDITS, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: IMAGE_TASK, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: "/v1/files", action: Action::Upload, public: false },
    // Clients probe it without a key to see whether the host lives.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for V2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = || TaskId::new(params.get("task_id"));
        match endpoint.action {
            Action::Create => {
                decode_wait(call)?;
                let mut draft = decode_draft(scope(endpoint, params)?, call)?;
                if let Some(callback) = draft.callback.as_mut().filter(|_| is_async_image(endpoint)) {
                    callback.events.push(AS_IMAGE_TASK.to_owned());
                }
                Ok(Intent::Create(Box::new(draft)))
            }
            Action::Get => {
                decode_wait(call)?;
                Ok(Intent::Get { id: id(), scope: Some(scope(endpoint, params)?) })
            }
            Action::Events => {
                let seen = web::query_value(&call.query, LAST_EVENT_ID);
                Ok(Intent::Events {
                    id: id(),
                    scope: Some(scope(endpoint, params)?),
                    seen: seen.parse().ok(),
                })
            }
            Action::Upload => Ok(Intent::Upload(Box::new(upload::of_form(call, "file", &["filename"])?))),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn wait(&self, endpoint: &Endpoint, call: &Call) -> Wait {
        match endpoint.action {
            Action::Create | Action::Get => decode_wait(call).unwrap_or(Wait::No),
            _ => Wait::No,
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, _links: &Links) -> Reply {
        answer::json(StatusCode::OK, &Created { task_id: task.id.as_str().to_owned(), id: String::new() })
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let reply = task_reply(task, links);
        if endpoint.path == IMAGE_TASK {
            return answer::json(StatusCode::OK, &ImageTaskReply::of(reply));
        }
        answer::json(StatusCode::OK, &reply)
    }

    fn event_name(&self, task: &Task) -> &'static str {
        standing(&task.state).0
    }

    /// The hosts of the contract do not say what they send; a client that can read a poll can read the same.
    fn encode_callback(&self, task: &Task, links: &Links) -> Reply {
        let reply = task_reply(task, links);
        let callback = task.request.callback.iter();
        if callback.flat_map(|callback| &callback.events).any(|event| event == AS_IMAGE_TASK) {
            return answer::json(StatusCode::OK, &ImageTaskReply::of(reply));
        }
        answer::json(StatusCode::OK, &reply)
    }

    fn encode_upload(&self, _endpoint: &Endpoint, upload: &Upload, _links: &Links) -> Reply {
        let Upload { id, url, name, bytes, created_at, .. } = upload;
        let file = StoredFile {
            id,
            object: "file",
            bytes: *bytes,
            created_at: created_at.as_secs(),
            filename: name,
            url,
        };
        answer::json(StatusCode::OK, &file)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn disclaims(&self, endpoint: &Endpoint, query: &str) -> bool {
        is_async_image(endpoint) && !web::query_value(query, "async").eq_ignore_ascii_case("true")
    }

    /// Who asks with `?async=true` means the contract, whatever the body has.
    fn recognises_body(&self, endpoint: &Endpoint, _body: &[u8]) -> bool {
        is_async_image(endpoint)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, code, r#type) = error_row(failure.kind);
        let body = ErrorReply {
            code: code.to_owned(),
            message: failure.public.clone(),
            data: (),
            error: Some(ErrorDetail {
                message: failure.public.clone(),
                r#type: r#type.to_owned(),
                code: code.to_owned(),
                param: failure.field.clone().unwrap_or_default(),
            }),
        };
        answer::failure(status, failure, &body)
    }
}

fn task_reply(task: &Task, links: &Links) -> TaskReply {
    let (status, fail_reason, outputs) = standing(&task.state);
    let seconds = |at: Option<domain::Timestamp>| at.map_or(0, domain::Timestamp::as_secs);
    TaskReply {
        task_id: task.id.as_str().to_owned(),
        platform: PLATFORM.to_owned(),
        action: format!("{PLATFORM}-{}", task.request.scope.as_str()),
        status: status.to_owned(),
        fail_reason: fail_reason.to_owned(),
        message: fail_reason.to_owned(),
        submit_time: task.created_at.as_secs(),
        start_time: seconds(task.started_at()),
        finish_time: seconds(task.state.ended_at()),
        progress: format!("{}%", percent(task, links.now)),
        data: outputs.map(|outputs| {
            let outputs: Vec<String> = outputs.iter().map(|output| output.url(&links.base_url)).collect();
            Data { output: outputs.first().cloned().unwrap_or_default(), outputs }
        }),
        search_item: String::new(),
    }
}

fn is_async_image(endpoint: &Endpoint) -> bool {
    matches!(endpoint.path, ASYNC_IMAGES | ASYNC_EDITS)
}

fn scope(endpoint: &Endpoint, params: &PathParams) -> Result<Scope, Failure> {
    if endpoint.path == IMAGE_TASK || is_async_image(endpoint) {
        return Ok(Scope::Images);
    }
    Scope::parse(params.get("scope")).ok_or_else(|| {
        Failure::new(FailureKind::NotFound, "no such path: the scope is images, videos or audio")
    })
}

/// The word of `status`, the reason of a failure, and the results.
fn standing(state: &TaskState) -> (&'static str, &str, Option<&[Output]>) {
    match state {
        TaskState::Queued => (status::NOT_START, "", None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::IN_PROGRESS, "", None),
        TaskState::Succeeded { outputs, .. } => (status::SUCCESS, "", Some(outputs)),
        TaskState::Failed { failure, .. } => (status::FAILURE, &failure.public, None),
        TaskState::Cancelled { .. } => (status::FAILURE, "the task was cancelled", None),
        TaskState::Expired { .. } => (status::FAILURE, "the task was not finished before its deadline", None),
    }
}

/// Status, code and type of an error. Faults of upstreams are never 401 or 403: the client's key is fine.
fn error_row(kind: FailureKind) -> (StatusCode, &'static str, &'static str) {
    use FailureKind as K;
    const REQUEST: &str = "invalid_request_error";
    const LIMIT: &str = "rate_limit_error";
    const SERVER: &str = "server_error";
    const UPSTREAM: &str = "upstream_error";
    match kind {
        K::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request", REQUEST),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, "invalid_api_key", "authentication_error"),
        K::NotFound => (StatusCode::NOT_FOUND, "not_found", REQUEST),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", REQUEST),
        K::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found", REQUEST),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", REQUEST),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", REQUEST),
        K::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", LIMIT),
        K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "too_many_concurrent_tasks", LIMIT),
        K::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", SERVER),
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", SERVER),
        K::ContentPolicy => (StatusCode::BAD_REQUEST, "content_policy", REQUEST),
        K::UpstreamRejected => (StatusCode::BAD_GATEWAY, "upstream_rejected", UPSTREAM),
        K::UpstreamAuth => (StatusCode::BAD_GATEWAY, "upstream_auth", UPSTREAM),
        K::UpstreamQuota => (StatusCode::SERVICE_UNAVAILABLE, "upstream_quota", UPSTREAM),
        K::UpstreamBusy => (StatusCode::SERVICE_UNAVAILABLE, "upstream_busy", UPSTREAM),
        K::GenerationFailed => (StatusCode::BAD_GATEWAY, "generation_failed", UPSTREAM),
        K::OutcomeUnknown => (StatusCode::BAD_GATEWAY, "outcome_unknown", UPSTREAM),
        K::StillRunning => (StatusCode::CONFLICT, "still_running", REQUEST),
        K::OutOfBudget => (StatusCode::FORBIDDEN, "insufficient_user_quota", "insufficient_quota_error"),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", REQUEST),
        K::NoRoute => (StatusCode::SERVICE_UNAVAILABLE, "no_route", UPSTREAM),
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, "expired", UPSTREAM),
    }
}
