//! EvoLink's API as clients speak it to us.

use domain::{Call, Failure, FailureKind, MediaKind, Output, Reply, Scope, Task, TaskId, TaskState};
use http::{Method, StatusCode};

use super::EvoLink;
use super::draft::{decode_draft, is_typical};
use super::files::{self, UPLOAD_BASE64, UPLOAD_STREAM, UPLOAD_URL};
use super::wire::{ErrorReply, HttpError, NAME, ResultItem, TaskError, TaskInfo, TaskObject, Usage, status};
use crate::cost;
use crate::progress::percent;
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Upload, answer};

const VIDEOS: &str = "/v1/videos/generations";
const IMAGES: &str = "/v1/images/generations";
const AUDIOS: &str = "/v1/audios/generations";
/// Not EvoLink's: clients of several APIs try this first for what they made below [`VIDEOS`].
const VIDEO: &str = "/v1/videos/generations/{task_id}";
/// A task's price is fixed when it is accepted, whatever it was made from.
const BILLING_RULE: &str = "per_call";

static ENDPOINTS: [Endpoint; 9] = [
    Endpoint { method: Method::POST, path: VIDEOS, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: IMAGES, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: AUDIOS, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: "/v1/tasks/{task_id}", action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: VIDEO, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_BASE64, action: Action::Upload, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_STREAM, action: Action::Upload, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_URL, action: Action::Upload, public: false },
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for EvoLink {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(scope(endpoint), &call.body)?))),
            Action::Get => Ok(Intent::Get {
                id: TaskId::new(params.get("task_id")),
                scope: (endpoint.path == VIDEO).then_some(Scope::Videos),
            }),
            Action::Upload => Ok(Intent::Upload(Box::new(files::decode(endpoint.path, call)?))),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, links)
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, links)
    }

    fn encode_upload(&self, _endpoint: &Endpoint, upload: &Upload, _links: &Links) -> Reply {
        files::encode(upload)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, r#type) = error_row(failure.kind);
        let error = HttpError {
            code: status.as_u16().into(),
            message: failure.public.clone(),
            r#type: r#type.to_owned(),
            param: failure.field.clone().unwrap_or_default(),
        };
        answer::failure(status, failure, &ErrorReply { error: Some(error) })
    }

    fn recognises_body(&self, endpoint: &Endpoint, body: &[u8]) -> bool {
        endpoint.action == Action::Create && is_typical(scope(endpoint), body)
    }
}

fn scope(endpoint: &Endpoint) -> Scope {
    match endpoint.path {
        IMAGES => Scope::Images,
        AUDIOS => Scope::Audio,
        _ => Scope::Videos,
    }
}

fn encode(task: &Task, links: &Links) -> Reply {
    let scope = task.request.scope;
    let (status, error) = standing(&task.state);
    let outputs: &[Output] = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs,
        _ => &[],
    };
    let is_failed = status == status::FAILED;
    let body = TaskObject {
        created: task.created_at.as_secs(),
        id: task.id.as_str().to_owned(),
        model: task.request.model.clone(),
        object: format!("{}.generation.task", kind(scope)),
        progress: Some(if is_failed { 0 } else { percent(task, links.now) }),
        status: status.to_owned(),
        task_info: TaskInfo {
            can_cancel: false,
            video_duration: task.request.output.duration_s.filter(|_| scope == Scope::Videos),
        },
        r#type: kind(scope).to_owned(),
        usage: Some(Usage {
            billing_rule: BILLING_RULE,
            credits_reserved: cost::reserved(task),
            user_group: "default",
        }),
        results: outputs.iter().map(|output| output.url(&links.base_url)).collect(),
        result_data: outputs.iter().zip(1..).map(|(output, n)| result(output, n, links)).collect(),
        error,
    };
    answer::json(StatusCode::OK, &body)
}

/// EvoLink's word for what a scope makes.
fn kind(scope: Scope) -> &'static str {
    match scope {
        Scope::Videos => "video",
        Scope::Images => "image",
        Scope::Audio => "audio",
    }
}

fn result(output: &Output, number: u32, links: &Links) -> ResultItem {
    let url = output.url(&links.base_url);
    let mut item = ResultItem { result_id: number.to_string(), ..ResultItem::default() };
    match output.kind {
        MediaKind::Video => item.video_url = url,
        MediaKind::Image => item.image_url = url,
        MediaKind::Audio => item.audio_url = url,
    }
    item
}

/// The word of `status`, and why a task failed. A cancelled task is a failed one with a code of its own.
fn standing(state: &TaskState) -> (&'static str, Option<TaskError>) {
    let failed = |code: &str, message: &str| {
        let error =
            TaskError { code: code.to_owned(), message: message.to_owned(), r#type: "task_error".to_owned() };
        (status::FAILED, Some(error))
    };
    match state {
        TaskState::Queued => (status::PENDING, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::PROCESSING, None),
        TaskState::Succeeded { .. } => (status::COMPLETED, None),
        TaskState::Failed { failure, .. } => failed(task_code(failure.kind), &failure.public),
        TaskState::Cancelled { .. } => failed("request_cancelled", "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed("generation_timeout", "the task was not finished before its deadline")
        }
    }
}

/// The code of a task's failure. `quota_exceeded` tells a client to top up, so it never stands for our accounts.
fn task_code(kind: FailureKind) -> &'static str {
    use FailureKind as K;
    match kind {
        K::ContentPolicy => "content_policy_violation",
        K::InvalidRequest | K::UpstreamRejected | K::ModelNotFound | K::BodyTooLarge => "invalid_parameters",
        K::NotFound | K::MethodNotAllowed => "resource_not_found",
        K::UpstreamBusy | K::RateLimited | K::TooManyTasks | K::Overloaded => "resource_exhausted",
        K::UpstreamAuth | K::UpstreamQuota | K::NoRoute | K::Unauthorized => "service_unavailable",
        K::Expired | K::RequestTimeout => "generation_timeout",
        K::GenerationFailed | K::OutcomeUnknown => "service_error",
        K::StillRunning | K::KeyReused => "invalid_parameters",
        K::OutOfBudget => "quota_exceeded",
        K::Internal => "unknown_error",
    }
}

/// Status and type of an error. Faults of upstreams are never 401 to 403: the client's key and balance are fine.
fn error_row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    const REQUEST: &str = "invalid_request_error";
    const UPSTREAM: &str = "upstream_error";
    const UNAVAILABLE: &str = "service_unavailable_error";
    match kind {
        K::InvalidRequest | K::ContentPolicy => (StatusCode::BAD_REQUEST, REQUEST),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, "authentication_error"),
        K::NotFound | K::ModelNotFound => (StatusCode::NOT_FOUND, "not_found_error"),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, REQUEST),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, REQUEST),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large_error"),
        K::RateLimited | K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
        K::StillRunning => (StatusCode::CONFLICT, REQUEST),
        K::OutOfBudget => (StatusCode::PAYMENT_REQUIRED, "insufficient_quota_error"),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, REQUEST),
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error"),
        K::UpstreamRejected | K::UpstreamAuth | K::GenerationFailed | K::OutcomeUnknown => {
            (StatusCode::BAD_GATEWAY, UPSTREAM)
        }
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, UPSTREAM),
        K::Overloaded | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
    }
}
