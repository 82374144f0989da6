//! apixo's API as clients speak it to us.

use domain::{
    Call, Callback, Draft, Failure, FailureKind, Output, Preference, Reply, Strategy, Task, TaskId,
    TaskState, Timestamp, Vendor,
};
use http::{Method, StatusCode};
use serde_json::Value;

use super::Apixo;
use super::draft::decode_wish;
use super::wire::{Envelope, INPUT, NAME, Record, Results, Submitted, route, state};
use crate::fields::{Fields, within};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, callback, web};

/// The value of `request_type` of a client that will not ask.
const CALLBACK: &str = "callback";
/// The field that says where it listens.
const CALLBACK_URL: &str = "callback_url";

static ENDPOINTS: [Endpoint; 3] = [
    Endpoint {
        method: Method::POST,
        path: "/api/v1/generateTask/{model}",
        action: Action::Create,
        public: false,
    },
    Endpoint { method: Method::GET, path: "/api/v1/statusTask/{model}", action: Action::Get, public: false },
    // apixo's own list is a page of its documents; a gateway's list has another content.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for Apixo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create => decode_draft(params.get("model"), &call.body),
            Action::Get => match web::query_value(&call.query, "taskId") {
                id if id.is_empty() => Err(Failure::invalid("taskId", "taskId: required in the query")),
                id => Ok(Intent::Get { id: TaskId::new(id), scope: None }),
            },
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, _links: &Links) -> Reply {
        success(Submitted { task_id: task.id.as_str().to_owned(), error: String::new() })
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let (state, failure) = standing(&task.state);
        let (fail_code, fail_msg) = failure.unwrap_or_default();
        let ended_at = task.state.ended_at().map(Timestamp::as_millis);
        success(Record {
            task_id: task.id.as_str().to_owned(),
            state: state.to_owned(),
            result_json: match &task.state {
                TaskState::Succeeded { outputs, .. } => result_json(outputs, links),
                _ => Value::Null,
            },
            fail_code: fail_code.to_owned(),
            fail_msg: fail_msg.to_owned(),
            create_time: task.created_at.as_millis(),
            complete_time: ended_at,
            cost_time: ended_at.map(|at| (at - task.created_at.as_millis()).max(0)),
        })
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let status = status_of(failure.kind);
        let body = Envelope::<()> {
            code: Some(status.as_u16().into()),
            message: failure.public.clone(),
            data: None,
        };
        answer::failure(status, failure, &body)
    }
}

fn decode_draft(model: &str, body: &[u8]) -> Result<Intent, Failure> {
    let mut fields = Fields::parse(body)?;
    let preference = decode_preference(&mut fields)?;
    let callback = decode_callback(&mut fields)?;
    let input = fields.object(INPUT)?;
    let input = input.ok_or_else(|| Failure::invalid(INPUT, format!("{INPUT}: required, an object")))?;
    let wish = decode_wish(model, input).map_err(|failure| within(INPUT, failure))?;
    let mut vendor = fields.rest()?;
    if !wish.rest.is_empty() {
        vendor.insert(INPUT.to_owned(), wish.rest.into());
    }
    Ok(Intent::Create(Box::new(Draft {
        scope: None,
        model: Some(wish.model),
        prompt: wish.prompt,
        inputs: wish.inputs,
        output: wish.output,
        callback,
        preference,
        vendor: (!vendor.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields: vendor }),
        ..Draft::default()
    })))
}

/// By which route: ours to choose, and a wish that an upstream of the same API knows, too.
fn decode_preference(fields: &mut Fields<'_>) -> Result<Preference, Failure> {
    let wanted = fields.word("provider", &[route::AUTO, route::CHEAPEST, route::OFFICIAL])?;
    Ok(match wanted {
        Some(route::CHEAPEST) => Preference::ordered(Strategy::Cheapest),
        Some(route::OFFICIAL) => Preference::official(),
        _ => Preference::default(),
    })
}

/// Whom to tell: nobody, unless the client says that it will not ask.
fn decode_callback(fields: &mut Fields<'_>) -> Result<Option<Callback>, Failure> {
    let url = fields.text(CALLBACK_URL)?;
    if fields.word("request_type", &["async", CALLBACK])? != Some(CALLBACK) {
        return Ok(None);
    }
    let text = "callback_url: required where request_type is callback";
    let url = url.ok_or_else(|| Failure::invalid(CALLBACK_URL, text))?;
    callback::of_url(CALLBACK_URL, url).map(Some)
}

fn success<T: serde::Serialize>(data: T) -> Reply {
    answer::json(
        StatusCode::OK,
        &Envelope { code: Some(200), message: "success".to_owned(), data: Some(data) },
    )
}

fn result_json(outputs: &[Output], links: &Links) -> Value {
    let result_urls = outputs.iter().map(|output| output.url(&links.base_url)).collect();
    serde_json::to_string(&Results { result_urls }).expect("texts encode").into()
}

/// The word of `state`; `failCode` and `failMsg` of a failure.
fn standing(state: &TaskState) -> (&'static str, Option<(&'static str, &str)>) {
    match state {
        TaskState::Queued => (state::PENDING, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (state::PROCESSING, None),
        TaskState::Succeeded { .. } => (state::SUCCESS, None),
        TaskState::Failed { failure, .. } => {
            (state::FAILED, Some((fail_code(failure.kind), &failure.public)))
        }
        TaskState::Cancelled { .. } => {
            (state::FAILED, Some((fail_code(FailureKind::GenerationFailed), "the task was cancelled")))
        }
        TaskState::Expired { .. } => {
            let text = "the task was not finished before its deadline";
            (state::FAILED, Some((fail_code(FailureKind::Expired), text)))
        }
    }
}

/// The documents' codes, in the spelling of the model pages.
fn fail_code(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::ContentPolicy => "CONTENT_VIOLATION",
        FailureKind::Expired => "PROCESSING_TIMEOUT",
        FailureKind::UpstreamAuth
        | FailureKind::UpstreamQuota
        | FailureKind::UpstreamBusy
        | FailureKind::NoRoute => "MODEL_UNAVAILABLE",
        _ => "GENERATION_FAILED",
    }
}

/// Status and `code` of an error. Faults of upstreams are never 401, 402 or 403: the client's key is fine.
fn status_of(kind: FailureKind) -> StatusCode {
    use FailureKind as K;
    match kind {
        K::InvalidRequest | K::ContentPolicy => StatusCode::BAD_REQUEST,
        K::Unauthorized => StatusCode::UNAUTHORIZED,
        K::NotFound | K::ModelNotFound => StatusCode::NOT_FOUND,
        K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        K::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        K::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        K::RateLimited | K::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
        K::StillRunning => StatusCode::CONFLICT,
        K::OutOfBudget => StatusCode::PAYMENT_REQUIRED,
        K::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        K::Internal | K::UpstreamRejected | K::GenerationFailed | K::OutcomeUnknown | K::Expired => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
