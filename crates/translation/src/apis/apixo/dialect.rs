//! apixo's API as clients speak it to us.

use domain::{Call, Draft, Failure, FailureKind, Output, Reply, Task, TaskId, TaskState, Timestamp, Vendor};
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::Apixo;
use super::draft::decode_wish;
use super::wire::{Envelope, INPUT, NAME, Record, Results, Submitted, state};
use crate::fields::{Fields, within};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, web};

/// The value of `request_type` of a client that will not ask.
const CALLBACK: &str = "callback";
/// The values of `provider`, all of which are ours to choose by: kept for an upstream that knows them.
const PROVIDERS: [&str; 3] = ["auto", "value", "official"];

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
    let told = decode_routing(&mut fields)?;
    let input = fields.object(INPUT)?;
    let input = input.ok_or_else(|| Failure::invalid(INPUT, format!("{INPUT}: required, an object")))?;
    let wish = decode_wish(model, input).map_err(|failure| within(INPUT, failure))?;
    let mut vendor = fields.rest()?;
    vendor.extend(told);
    if !wish.rest.is_empty() {
        vendor.insert(INPUT.to_owned(), wish.rest.into());
    }
    Ok(Intent::Create(Box::new(Draft {
        scope: None,
        model: Some(wish.model),
        prompt: wish.prompt,
        inputs: wish.inputs,
        output: wish.output,
        vendor: (!vendor.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields: vendor }),
        ..Draft::default()
    })))
}

/// By which route, and how the client wants to be told: as it stays among the vendor fields, without the defaults.
fn decode_routing(fields: &mut Fields<'_>) -> Result<Map<String, Value>, Failure> {
    let refuse = |why: &str| Err(Failure::invalid("callback_url", format!("callback_url: {why}")));
    let mut kept = Map::new();
    if let Some(provider) = fields.word("provider", &PROVIDERS)? {
        kept.insert("provider".to_owned(), provider.into());
    }
    let url = fields.text("callback_url")?;
    if fields.word("request_type", &["async", CALLBACK])? == Some(CALLBACK) {
        match url {
            Some(url) if web::is_web_url(&url) => kept.insert("callback_url".to_owned(), url.into()),
            Some(_) => return refuse("not a whole http(s) URL"),
            None => return refuse("required where request_type is callback"),
        };
        kept.insert("request_type".to_owned(), CALLBACK.into());
    }
    Ok(kept)
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
        K::Internal | K::UpstreamRejected | K::GenerationFailed | K::OutcomeUnknown | K::Expired => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
