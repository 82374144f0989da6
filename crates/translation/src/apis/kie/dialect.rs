//! kie's API as clients speak it to us: every answer is HTTP 200, and the body's `code` says how it went.

use domain::{Call, Failure, FailureKind, Output, Reply, Task, TaskId, TaskState, Timestamp};
use http::{Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::Kie;
use super::draft::{decode_job, decode_veo};
use super::wire::{Envelope, JobRecord, NAME, Record, ResultUrls, Submitted, state};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, web};

const VEO_CREATE: &str = "/api/v1/veo/generate";
const VEO_GET: &str = "/api/v1/veo/record-info";
const JOB_CREATE: &str = "/api/v1/jobs/createTask";
const JOB_GET: &str = "/api/v1/jobs/recordInfo";

static ENDPOINTS: [Endpoint; 5] = [
    Endpoint { method: Method::POST, path: VEO_CREATE, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: VEO_GET, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: JOB_CREATE, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: JOB_GET, action: Action::Get, public: false },
    // kie's own list is a page of its documents; a gateway's list has another content.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

/// How a task stands, in the words of both shapes.
struct Standing<'a> {
    /// Of a Veo task: 0 at work, 1 finished, 2 refused, 3 failed.
    flag: i64,
    /// Of a job.
    state: &'static str,
    /// The code and the reason of a failure.
    failure: Option<(i64, &'a str)>,
    outputs: &'a [Output],
}

impl Dialect for Kie {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, _params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create if endpoint.path == JOB_CREATE => {
                Ok(Intent::Create(Box::new(decode_job(&call.body)?)))
            }
            Action::Create => Ok(Intent::Create(Box::new(decode_veo(&call.body)?))),
            Action::Get => match web::query_value(&call.query, "taskId") {
                id if id.is_empty() => Err(Failure::invalid("taskId", "taskId: required in the query")),
                id => Ok(Intent::Get { id: TaskId::new(id), scope: None }),
            },
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, _links: &Links) -> Reply {
        said("success", Submitted { task_id: task.id.as_str().to_owned() })
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let standing = standing(&task.state);
        // Clients print it when a task has failed.
        let text = standing.failure.map_or("success", |(_, reason)| reason);
        if endpoint.path == JOB_GET {
            return said(text, job_record(task, &standing, links));
        }
        said(text, record(task, &standing, links))
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let code = code_of(failure.kind);
        let body = Envelope::<()> {
            code: Some(code.as_u16().into()),
            msg: failure.public.clone(),
            message: failure.public.clone(),
            data: None,
        };
        let mut reply = answer::failure(code, failure, &body);
        reply.status = StatusCode::OK;
        reply.headers.remove(header::WWW_AUTHENTICATE);
        reply
    }
}

fn said<T: Serialize>(text: &str, data: T) -> Reply {
    let body = Envelope { code: Some(200), msg: text.to_owned(), message: text.to_owned(), data: Some(data) };
    answer::json(StatusCode::OK, &body)
}

fn record(task: &Task, standing: &Standing<'_>, links: &Links) -> Record {
    let (error_code, error_message) = standing.failure.unzip();
    let urls = urls(standing.outputs, links);
    Record {
        task_id: task.id.as_str().to_owned(),
        param_json: json!({ "prompt": task.request.prompt, "model": task.request.model }).to_string(),
        complete_time: task.state.ended_at().map(Timestamp::as_millis),
        response: (!urls.is_empty()).then(|| results(task.id.as_str(), urls.clone())),
        success_flag: Some(standing.flag),
        error_code,
        error_message: error_message.unwrap_or_default().to_owned(),
        create_time: Some(task.created_at.as_millis()),
        fallback_flag: false,
        status: Some(standing.flag),
        result_urls: urls,
    }
}

fn job_record(task: &Task, standing: &Standing<'_>, links: &Links) -> JobRecord {
    let (fail_code, fail_msg) = standing.failure.unzip();
    let urls = urls(standing.outputs, links);
    let created_at = task.created_at.as_millis();
    let ended_at = task.state.ended_at().map(Timestamp::as_millis);
    let asked = json!({ "model": task.request.model, "input": { "prompt": task.request.prompt } });
    JobRecord {
        task_id: task.id.as_str().to_owned(),
        model: task.request.model.clone(),
        state: standing.state.to_owned(),
        param: asked.to_string(),
        result_json: match urls.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&results("", urls)).expect("texts encode"),
        },
        fail_code: fail_code.map(|code| code.to_string()).unwrap_or_default(),
        fail_msg: fail_msg.unwrap_or_default().to_owned(),
        cost_time: ended_at.map(|at| (at - created_at).max(0) / 1000),
        complete_time: ended_at,
        create_time: Some(created_at),
        update_time: ended_at.or(task.started_at().map(Timestamp::as_millis)).or(Some(created_at)),
    }
}

fn urls(outputs: &[Output], links: &Links) -> Vec<String> {
    outputs.iter().map(|output| output.url(&links.base_url)).collect()
}

fn results(task_id: &str, result_urls: Vec<String>) -> ResultUrls {
    ResultUrls { task_id: task_id.to_owned(), result_urls, ..ResultUrls::default() }
}

fn standing(state: &TaskState) -> Standing<'_> {
    let at_work = |state| Standing { flag: 0, state, failure: None, outputs: &[] };
    let failed = |kind, reason| {
        let flag = if kind == FailureKind::ContentPolicy { 2 } else { 3 };
        Standing { flag, state: state::FAIL, failure: Some((error_code(kind), reason)), outputs: &[] }
    };
    match state {
        TaskState::Queued => at_work(state::WAITING),
        TaskState::Submitting { .. } | TaskState::Unknown { .. } => at_work(state::QUEUING),
        TaskState::Running { .. } | TaskState::Collecting { .. } => at_work(state::GENERATING),
        TaskState::Succeeded { outputs, .. } => {
            Standing { flag: 1, state: state::SUCCESS, failure: None, outputs }
        }
        TaskState::Failed { failure, .. } => failed(failure.kind, &failure.public),
        TaskState::Cancelled { .. } => failed(FailureKind::GenerationFailed, "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed(FailureKind::Expired, "the task was not finished before its deadline")
        }
    }
}

/// The code of a task's failure: kie has three.
fn error_code(kind: FailureKind) -> i64 {
    match kind {
        FailureKind::ContentPolicy => 400,
        FailureKind::GenerationFailed | FailureKind::UpstreamRejected => 501,
        _ => 500,
    }
}

/// The body's `code` of an error, out of kie's list. Faults of upstreams are never 401 or 402: the client's key is fine.
fn code_of(kind: FailureKind) -> StatusCode {
    use FailureKind as K;
    /// Not a status of HTTP.
    fn own(code: u16) -> StatusCode {
        StatusCode::from_u16(code).expect("three digits")
    }
    match kind {
        K::ContentPolicy => StatusCode::BAD_REQUEST,
        K::Unauthorized => StatusCode::UNAUTHORIZED,
        K::NotFound | K::MethodNotAllowed => StatusCode::NOT_FOUND,
        K::InvalidRequest | K::ModelNotFound | K::BodyTooLarge | K::RequestTimeout => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        K::RateLimited | K::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => own(455),
        K::StillRunning => StatusCode::BAD_REQUEST,
        K::Internal | K::OutcomeUnknown | K::Expired => StatusCode::INTERNAL_SERVER_ERROR,
        K::UpstreamRejected | K::GenerationFailed => own(501),
    }
}
