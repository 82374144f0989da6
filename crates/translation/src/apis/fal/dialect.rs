//! fal's queue as clients speak it to us.

use domain::{
    Call, Draft, Failure, FailureKind, Output as DomainOutput, OutputMedia, OutputSpec, Reply, Role, Scope,
    Task, TaskId, TaskState, Vendor, media_type_of_extension,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::wire::{Detail, ErrorReply, File, Metrics, NAME, Output, Problem, Queued, WEBHOOK, status};
use super::{Fal, ids};
use crate::fields::Fields;
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, inputs, key, web};

/// The one of the two questions about a task that asks for its result.
const RESULT: &str = "/fal-ai/{app}/requests/{task_id}";

static ENDPOINTS: [Endpoint; 6] = [
    Endpoint { method: Method::POST, path: "/fal-ai/{app}", action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: "/fal-ai/{app}/{a}", action: Action::Create, public: false },
    Endpoint { method: Method::POST, path: "/fal-ai/{app}/{a}/{b}", action: Action::Create, public: false },
    Endpoint {
        method: Method::GET,
        path: "/fal-ai/{app}/requests/{task_id}/status",
        action: Action::Get,
        public: false,
    },
    Endpoint { method: Method::GET, path: RESULT, action: Action::Get, public: false },
    // The queue has no such list; clients of other APIs that share this path get the same.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for Fal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(params, call)?))),
            Action::Get => Ok(Intent::Get { id: TaskId::new(params.get("task_id")), scope: None }),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let body =
            Queued { status: status::IN_QUEUE.to_owned(), queue_position: Some(0), ..addresses(task, links) };
        answer::json(StatusCode::OK, &body)
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        if endpoint.path == RESULT { encode_result(task, links) } else { encode_status(task, links) }
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let status = status_of(failure.kind);
        let detail = match status {
            StatusCode::UNPROCESSABLE_ENTITY => Detail::Problems(vec![problem(failure)]),
            _ => Detail::Text(failure.public.clone()),
        };
        let mut reply = answer::failure(status, failure, &ErrorReply { detail, ..ErrorReply::default() });
        if status == StatusCode::UNAUTHORIZED {
            reply.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Key"));
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

fn decode_draft(params: &PathParams, call: &Call) -> Result<Draft, Failure> {
    let id = ["app", "a", "b"].map(|name| params.get(name)).join("/");
    let (model, scope) = ids::public_model(id.trim_end_matches('/'));
    let mut fields = Fields::parse(&call.body)?;
    let mut inputs = inputs::images(&mut fields, &["first_frame_url"], Some(Role::FirstFrame))?;
    inputs.extend(inputs::images(&mut fields, &["last_frame_url"], Some(Role::LastFrame))?);
    inputs.extend(inputs::images(&mut fields, &["image_url", "image_urls"], None)?);
    inputs.extend(inputs::videos(&mut fields, "video_url")?);
    Ok(Draft {
        scope: Some(scope),
        model: Some(model),
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: OutputSpec {
            // `auto` is what every provider does when it is not told.
            aspect_ratio: fields.text("aspect_ratio")?.filter(|ratio| !ratio.eq_ignore_ascii_case("auto")),
            resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
            duration_s: fields.seconds("duration")?,
            seed: fields.whole("seed")?,
            ..OutputSpec::default()
        },
        vendor: decode_vendor(fields, &call.query)?,
        ..Draft::default()
    })
}

fn decode_vendor(fields: Fields<'_>, query: &str) -> Result<Option<Vendor>, Failure> {
    let mut fields = fields.rest()?;
    let webhook = web::query_value(query, WEBHOOK);
    if !webhook.is_empty() {
        fields.insert(WEBHOOK.to_owned(), webhook.into());
    }
    Ok((!fields.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields }))
}

/// The id of a task and the addresses to ask about it.
fn addresses(task: &Task, links: &Links) -> Queued {
    let app = web::component(ids::app(&task.request.model));
    let url =
        format!("{}/{}/{app}/requests/{}", links.base_url, ids::OWNER, web::component(task.id.as_str()));
    Queued {
        request_id: task.id.as_str().to_owned(),
        status_url: format!("{url}/status"),
        cancel_url: format!("{url}/cancel"),
        response_url: url,
        ..Queued::default()
    }
}

fn encode_status(task: &Task, links: &Links) -> Reply {
    let body = addresses(task, links);
    match &task.state {
        TaskState::Queued => {
            let status = status::IN_QUEUE.to_owned();
            answer::json(StatusCode::ACCEPTED, &Queued { status, queue_position: Some(0), ..body })
        }
        state if !state.is_terminal() => {
            let status = status::IN_PROGRESS.to_owned();
            answer::json(StatusCode::ACCEPTED, &Queued { status, logs: Some([]), ..body })
        }
        state => {
            let took = task.started_at().zip(state.ended_at()).map(|(from, to)| to.since(from));
            let failure = failure(state);
            let body = Queued {
                status: status::COMPLETED.to_owned(),
                logs: Some([]),
                metrics: Some(Metrics { inference_time: took.map(|took| took.as_secs_f64()) }),
                error: failure.as_ref().map(|failure| failure.public.clone()).unwrap_or_default(),
                error_type: failure.map(|failure| type_of(failure.kind).to_owned()).unwrap_or_default(),
                ..body
            };
            answer::json(StatusCode::OK, &body)
        }
    }
}

fn encode_result(task: &Task, links: &Links) -> Reply {
    if let TaskState::Succeeded { outputs, .. } = &task.state {
        return answer::json(StatusCode::OK, &result(task.request.scope, outputs, links));
    }
    let (status, detail) = match failure(&task.state) {
        Some(failure) => (result_status_of(failure.kind), Detail::Problems(vec![problem(&failure)])),
        None => (StatusCode::BAD_REQUEST, Detail::Text("Request is still in progress".to_owned())),
    };
    answer::json(status, &ErrorReply { detail, ..ErrorReply::default() })
}

fn result(scope: Scope, outputs: &[DomainOutput], links: &Links) -> Output {
    let mut files: Vec<File> = outputs.iter().map(|output| file(output, links)).collect();
    match scope {
        Scope::Images => Output { images: files, ..Output::default() },
        Scope::Audio => Output { audio: (!files.is_empty()).then(|| files.remove(0)), ..Output::default() },
        Scope::Videos => {
            let video = files.first().cloned();
            let videos = if files.len() > 1 { files } else { Vec::new() };
            Output { video, videos, ..Output::default() }
        }
    }
}

fn file(output: &DomainOutput, links: &Links) -> File {
    let url = output.url(&links.base_url);
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let file_name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let (content_type, file_size) = match &output.media {
        OutputMedia::Stored { media_type, bytes, .. } => (Some(media_type.clone()), Some(*bytes)),
        OutputMedia::Remote { .. } => {
            let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
            (media_type_of_extension(extension).map(str::to_owned), None)
        }
    };
    File { url, content_type, file_name, file_size }
}

/// Why a task ended without a result, if it did.
fn failure(state: &TaskState) -> Option<Failure> {
    match state {
        TaskState::Failed { failure, .. } => Some(failure.clone()),
        TaskState::Cancelled { .. } => {
            Some(Failure::new(FailureKind::GenerationFailed, "the task was cancelled"))
        }
        TaskState::Expired { .. } => {
            Some(Failure::new(FailureKind::Expired, "the task was not finished before its deadline"))
        }
        _ => None,
    }
}

fn problem(failure: &Failure) -> Problem {
    let field = failure.field.iter().cloned();
    Problem {
        loc: ["body".to_owned()].into_iter().chain(field).collect(),
        msg: failure.public.clone(),
        r#type: type_of(failure.kind).to_owned(),
    }
}

/// fal's word for the kind of an error.
fn type_of(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::ContentPolicy => "content_policy_violation",
        FailureKind::InvalidRequest | FailureKind::UpstreamRejected => "value_error",
        FailureKind::Expired => "generation_timeout",
        FailureKind::Internal => "internal_server_error",
        _ => "downstream_service_error",
    }
}

/// The status of a failed task's result: never one that makes fal's clients ask again.
fn result_status_of(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::ContentPolicy | FailureKind::UpstreamRejected => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The status of a request that failed. Faults of upstreams are never 401 or 403: the client's key is fine.
fn status_of(kind: FailureKind) -> StatusCode {
    use FailureKind as K;
    match kind {
        K::InvalidRequest | K::ContentPolicy => StatusCode::UNPROCESSABLE_ENTITY,
        K::Unauthorized => StatusCode::UNAUTHORIZED,
        K::NotFound | K::ModelNotFound => StatusCode::NOT_FOUND,
        K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        K::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        K::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        K::RateLimited | K::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
        K::Overloaded | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => StatusCode::SERVICE_UNAVAILABLE,
        K::StillRunning => StatusCode::CONFLICT,
        K::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        K::UpstreamRejected | K::UpstreamAuth | K::GenerationFailed | K::OutcomeUnknown => {
            StatusCode::BAD_GATEWAY
        }
        K::Expired => StatusCode::GATEWAY_TIMEOUT,
    }
}
