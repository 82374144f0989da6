//! The contract as clients speak it to us.

use domain::{
    Call, Draft, Failure, FailureKind, Output, OutputSpec, Reply, Scope, Task, TaskId, TaskState, Vendor,
};
use http::{Method, StatusCode};

use super::V2;
use super::wire::{Created, Data, ErrorDetail, ErrorReply, ImageTaskReply, NAME, TaskReply, status};
use crate::fields::Fields;
use crate::progress::percent;
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, inputs, web};

/// The value of `platform`: the one who answers, not the one behind it, which may change with every attempt.
const PLATFORM: &str = "filmgate";

/// The fields that bring images; where two of them bring the same one, it counts once.
const IMAGE_FIELDS: [&str; 4] = ["images", "image", "image_url", "img_url"];

/// Where clients of the family ask for pictures with `?async=true`; without it the path means a synchronous API.
const ASYNC_IMAGES: &str = "/v1/images/generations";
/// Where they read such tasks, and others' too: `data` is an object in every state.
const IMAGE_TASK: &str = "/v1/images/tasks/{task_id}";

static ENDPOINTS: [Endpoint; 5] = [
    Endpoint { method: Method::POST, path: "/v2/{scope}/generations", action: Action::Create, public: false },
    Endpoint {
        method: Method::GET,
        path: "/v2/{scope}/generations/{task_id}",
        action: Action::Get,
        public: false,
    },
    Endpoint { method: Method::POST, path: ASYNC_IMAGES, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: IMAGE_TASK, action: Action::Get, public: false },
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
        match endpoint.action {
            Action::Create => {
                Ok(Intent::Create(Box::new(decode_draft(scope(endpoint, params)?, &call.body)?)))
            }
            Action::Get => {
                let id = TaskId::new(params.get("task_id"));
                Ok(Intent::Get { id, scope: Some(scope(endpoint, params)?) })
            }
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
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

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn disclaims(&self, endpoint: &Endpoint, query: &str) -> bool {
        endpoint.path == ASYNC_IMAGES && !web::query_value(query, "async").eq_ignore_ascii_case("true")
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

fn scope(endpoint: &Endpoint, params: &PathParams) -> Result<Scope, Failure> {
    if matches!(endpoint.path, ASYNC_IMAGES | IMAGE_TASK) {
        return Ok(Scope::Images);
    }
    Scope::parse(params.get("scope")).ok_or_else(|| {
        Failure::new(FailureKind::NotFound, "no such path: the scope is images, videos or audio")
    })
}

fn decode_draft(scope: Scope, body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let mut inputs = inputs::images(&mut fields, &IMAGE_FIELDS, None)?;
    inputs.extend(inputs::videos(&mut fields, "videos")?);
    Ok(Draft {
        scope: Some(scope),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: decode_output(&mut fields)?,
        vendor: Some(fields.rest()?)
            .filter(|rest| !rest.is_empty())
            .map(|fields| Vendor { api: NAME.to_owned(), fields }),
        ..Draft::default()
    })
}

fn decode_output(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    // Some models of the contract know `ratio` only: it stays among the vendor fields, too.
    let ratio = fields.text_kept("ratio")?;
    Ok(OutputSpec {
        aspect_ratio: fields.text("aspect_ratio")?.or(ratio),
        resolution: fields.text("resolution")?.map(|text| decode_resolution(&text)),
        size: fields.text("size")?,
        duration_s: fields.seconds("duration")?,
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        enhance_prompt: fields.switch("enhance_prompt")?,
        upsample: fields.switch("enable_upsample")?,
        watermark: fields.switch("watermark")?,
        ..OutputSpec::default()
    })
}

/// Lower case; the contract's own example spells 720p as `780P`.
fn decode_resolution(text: &str) -> String {
    match text.to_ascii_lowercase() {
        text if text == "780p" => "720p".to_owned(),
        text => text,
    }
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
        K::NoRoute => (StatusCode::SERVICE_UNAVAILABLE, "no_route", UPSTREAM),
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, "expired", UPSTREAM),
    }
}
