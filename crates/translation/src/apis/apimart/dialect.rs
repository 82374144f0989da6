//! APIMart's API as clients speak it to us.

use domain::{
    Call, Failure, FailureKind, MediaKind, Output, Reply, Scope, Task, TaskId, TaskState, Timestamp,
};
use http::{HeaderMap, Method, StatusCode};

use super::ApiMart;
use super::draft::{decode_draft, decode_remix, is_typical, is_typical_remix};
use super::wire::{
    Answer, CODE_OK, ErrorDetail, ErrorReply, NAME, ResultItem, Results, StoredFile, Submitted,
    SubmittedDated, TaskData, UPLOAD, status,
};
use crate::cost;
use crate::progress::percent;
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Upload, answer, upload};

const VIDEOS: &str = "/v1/videos/generations";
const IMAGES: &str = "/v1/images/generations";
const AUDIOS: &str = "/v1/audios/generations";
const REMIX: &str = "/v1/videos/{task_id}/remix";

/// The header by which a client asks for the reply to a submission in the shape of a date.
const VERSION_HEADER: &str = "x-apimart-response-version";
/// The only dated shape there is; a client that asks for a later one gets it, too.
const VERSION: &str = "2026-07-27";

static ENDPOINTS: [Endpoint; 7] = [
    Endpoint { method: Method::POST, path: VIDEOS, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: IMAGES, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: AUDIOS, action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: REMIX, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: "/v1/tasks/{task_id}", action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: UPLOAD, action: Action::Upload, public: false },
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for ApiMart {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create if endpoint.path == REMIX => {
                let task = TaskId::new(params.get("task_id"));
                Ok(Intent::Create(Box::new(decode_remix(task, &call.body)?)))
            }
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(scope(endpoint), &call.body)?))),
            Action::Get => Ok(Intent::Get { id: TaskId::new(params.get("task_id")), scope: None }),
            Action::Upload => Ok(Intent::Upload(Box::new(upload::of_form(call, "file", &[])?))),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        if !wants_dated(&links.headers) {
            let submitted = Submitted {
                status: status::SUBMITTED.to_owned(),
                task_id: task.id.as_str().to_owned(),
                id: String::new(),
            };
            return answer::json(StatusCode::OK, &Answer { code: CODE_OK, data: [submitted] });
        }
        let data =
            SubmittedDated { id: task.id.as_str(), object: "generation.task", status: status::PENDING };
        answer::json(StatusCode::OK, &Answer { code: CODE_OK, data })
            .with_header(http::HeaderName::from_static(VERSION_HEADER), VERSION)
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let (status, error) = standing(&task.state);
        let completed = completed_at(&task.state).map(Timestamp::as_secs);
        let created = task.created_at.as_secs();
        let data = TaskData {
            id: task.id.as_str().to_owned(),
            status: status.to_owned(),
            progress: Some(percent(task, links.now)),
            result: results(&task.state, links),
            error,
            created,
            completed,
            actual_time: completed.map(|at| at - created),
            cost: cost::spent(task),
            credits_cost: cost::spent(task),
        };
        answer::json(StatusCode::OK, &Answer { code: CODE_OK, data })
    }

    fn encode_upload(&self, _endpoint: &Endpoint, upload: &Upload, _links: &Links) -> Reply {
        let Upload { url, name, media_type, bytes, created_at, .. } = upload;
        let file = StoredFile {
            url,
            filename: name,
            content_type: media_type,
            bytes: *bytes,
            created_at: created_at.as_secs(),
        };
        answer::json(StatusCode::OK, &file)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, r#type) = error_row(failure.kind);
        let mut error = detail(status, r#type, &failure.public);
        error.param = failure.field.clone().unwrap_or_default();
        answer::failure(status, failure, &ErrorReply { error })
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(VERSION_HEADER)
    }

    fn recognises_body(&self, endpoint: &Endpoint, body: &[u8]) -> bool {
        match endpoint.path {
            REMIX => is_typical_remix(body),
            _ => endpoint.action == Action::Create && is_typical(body),
        }
    }
}

fn scope(endpoint: &Endpoint) -> Scope {
    match endpoint.path {
        IMAGES => Scope::Images,
        AUDIOS => Scope::Audio,
        _ => Scope::Videos,
    }
}

/// Versions are dates, so their texts are in the order of time.
fn wants_dated(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok());
    version.is_some_and(|version| version.trim() >= VERSION)
}

fn completed_at(state: &TaskState) -> Option<Timestamp> {
    match state {
        TaskState::Succeeded { at, .. } => Some(*at),
        _ => None,
    }
}

fn results(state: &TaskState, links: &Links) -> Option<Results> {
    let TaskState::Succeeded { outputs, .. } = state else { return None };
    let of = |kind: MediaKind| {
        let outputs = outputs.iter().filter(|output| output.kind == kind);
        outputs.map(|output: &Output| ResultItem { url: vec![output.url(&links.base_url)] }).collect()
    };
    let (images, videos, audios) = (of(MediaKind::Image), of(MediaKind::Video), of(MediaKind::Audio));
    Some(Results { images, videos, audios })
}

/// The word of `status`, and why a task failed. A cancelled task is a failed one: APIMart's own client knows no other
/// word for an end without a result.
fn standing(state: &TaskState) -> (&'static str, Option<ErrorDetail>) {
    let failed = |kind: FailureKind, message: &str| {
        let (status, r#type) = error_row(kind);
        (status::FAILED, Some(detail(status, r#type, message)))
    };
    match state {
        TaskState::Queued => (status::PENDING, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::PROCESSING, None),
        TaskState::Succeeded { .. } => (status::COMPLETED, None),
        TaskState::Failed { failure, .. } => failed(failure.kind, &failure.public),
        TaskState::Cancelled { .. } => failed(FailureKind::InvalidRequest, "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed(FailureKind::Expired, "the task was not finished before its deadline")
        }
    }
}

fn detail(status: StatusCode, r#type: &str, message: &str) -> ErrorDetail {
    ErrorDetail {
        code: status.as_u16().into(),
        message: message.to_owned(),
        r#type: r#type.to_owned(),
        param: String::new(),
    }
}

/// Status and type of an error. Faults of upstreams are never 401 to 403: the client's key and balance are fine.
fn error_row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    const REQUEST: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    const GATEWAY: &str = "bad_gateway";
    match kind {
        K::InvalidRequest | K::ContentPolicy => (StatusCode::BAD_REQUEST, REQUEST),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, "authentication_error"),
        K::NotFound | K::ModelNotFound => (StatusCode::NOT_FOUND, "not_found_error"),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, REQUEST),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, REQUEST),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, REQUEST),
        K::RateLimited | K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
        K::StillRunning => (StatusCode::CONFLICT, REQUEST),
        K::OutOfBudget => (StatusCode::PAYMENT_REQUIRED, "payment_required"),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, REQUEST),
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, SERVER),
        K::UpstreamRejected | K::UpstreamAuth | K::GenerationFailed | K::OutcomeUnknown => {
            (StatusCode::BAD_GATEWAY, GATEWAY)
        }
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, GATEWAY),
        K::Overloaded | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            (StatusCode::SERVICE_UNAVAILABLE, SERVER)
        }
    }
}
