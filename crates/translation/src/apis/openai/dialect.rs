//! The Videos part of OpenAI's API as clients speak it to us.

use bytes::Bytes;
use domain::{
    Call, Draft, DraftInput, DraftMedia, Failure, FailureKind, OutputSpec, Reply, Scope, Task, TaskId,
    TaskState, Vendor,
};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use serde_json::Value;

use super::wire::{ErrorReply, HttpError, INPUT_REFERENCE, NAME, SIZE, Video, VideoError, status};
use super::{OpenAi, size};
use crate::fields::{Fields, within};
use crate::multipart::{self, File, Form};
use crate::progress::percent;
use crate::text::bounded;
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, inputs, web};

const VIDEO: &str = "/v1/videos/{task_id}";
const CONTENT: &str = "/v1/videos/{task_id}/content";

/// When OpenAI's clients shall poll next, in milliseconds; without it they come back every second.
const POLL_AFTER: HeaderName = HeaderName::from_static("openai-poll-after-ms");
const POLL_AFTER_MS: &str = "2000";

/// The fields that bring images besides `input_reference`: others' names that clients send here, too.
const IMAGE_FIELDS: [&str; 3] = ["image", "images", "image_url"];

/// Characters of a field's name that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

static ENDPOINTS: [Endpoint; 4] = [
    Endpoint { method: Method::POST, path: "/v1/videos", action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: VIDEO, action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: CONTENT, action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = TaskId::new(params.get("task_id"));
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(call)?))),
            Action::Get if endpoint.path == CONTENT => decode_content(id, &call.query),
            Action::Get => Ok(Intent::Get { id, scope: Some(Scope::Videos) }),
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

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, r#type) = error_row(failure.kind);
        let error = HttpError {
            message: failure.public.clone(),
            r#type: r#type.to_owned(),
            param: failure.field.clone(),
            code: code(failure.kind).to_owned(),
        };
        answer::failure(status, failure, &ErrorReply::of(error))
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        agent.is_some_and(|agent| agent.starts_with("OpenAI/") || agent.starts_with("AsyncOpenAI/"))
    }
}

/// The bytes of the clip; thumbnails and sprite sheets are not made here.
fn decode_content(id: TaskId, query: &str) -> Result<Intent, Failure> {
    match web::query_value(query, "variant").as_str() {
        "" | "video" => Ok(Intent::Content { id, index: 0 }),
        _ => Err(Failure::invalid("variant", "variant: only video is possible")),
    }
}

/// A form or JSON: OpenAI's clients send a form, with or without a file.
fn decode_draft(call: &Call) -> Result<Draft, Failure> {
    if !multipart::is_form(&call.headers) {
        return decode_fields(Fields::parse(&call.body)?, Vec::new());
    }
    let form = Form::parse(&call.headers, &call.body)?;
    let files = form.files.into_iter().map(decode_file).collect::<Result<_, _>>()?;
    let json = Value::Object(form.fields).to_string();
    decode_fields(Fields::parse(json.as_bytes())?, files)
}

fn decode_file(File { field, bytes, .. }: File) -> Result<DraftInput, Failure> {
    if field != INPUT_REFERENCE && !IMAGE_FIELDS.contains(&field.as_str()) {
        let shown = bounded(&field, SHOWN_CHARS_MAX);
        let text = format!("{shown}: a file found, allowed is one in {INPUT_REFERENCE} only");
        return Err(Failure::invalid(shown, text));
    }
    input(field, bytes)
}

fn input(field: String, bytes: Bytes) -> Result<DraftInput, Failure> {
    if bytes.is_empty() {
        let text = format!("{field}: holds no bytes");
        return Err(Failure::invalid(field, text));
    }
    Ok(DraftInput { role: None, field, media: DraftMedia::Inline(bytes) })
}

fn decode_fields(mut fields: Fields<'_>, files: Vec<DraftInput>) -> Result<Draft, Failure> {
    let mut inputs = files;
    inputs.extend(decode_reference(&mut fields)?);
    inputs.extend(inputs::images(&mut fields, &IMAGE_FIELDS, None)?);
    Ok(Draft {
        scope: Some(Scope::Videos),
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

/// `input_reference` is an object; others' clients send a text.
fn decode_reference(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    if !fields.is_object(INPUT_REFERENCE) {
        return inputs::images(fields, &[INPUT_REFERENCE], None);
    }
    let Some(mut reference) = fields.object(INPUT_REFERENCE)? else { return Ok(Vec::new()) };
    let inside = |failure| within(INPUT_REFERENCE, failure);
    if reference.text("file_id").map_err(inside)?.is_some() {
        let text = "input_reference.file_id: no files are kept here, send the image or its image_url";
        return Err(Failure::invalid("input_reference.file_id", text));
    }
    let mut images = inputs::images(&mut reference, &["image_url"], None).map_err(inside)?;
    for image in &mut images {
        image.field = format!("{INPUT_REFERENCE}.{}", image.field);
    }
    Ok(images)
}

fn decode_output(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    // The exact pixels go on to an upstream of the same API; all others get what they stand for.
    let size = match fields.text_kept(SIZE)? {
        Some(text) => Some(size::parse(&text).ok_or_else(|| {
            Failure::invalid(SIZE, "size: allowed is a width and a height in pixels, as 1280x720")
        })?),
        // An empty text is no size for anybody.
        None => fields.text(SIZE)?.and(None),
    };
    let seconds = fields.seconds("seconds")?;
    let resolution = fields.text("resolution")?.map(|text| text.to_ascii_lowercase());
    Ok(OutputSpec {
        aspect_ratio: fields.text("aspect_ratio")?.or_else(|| size.map(size::aspect_ratio)),
        resolution: resolution.or_else(|| size.and_then(size::resolution).map(str::to_owned)),
        duration_s: seconds.or(fields.seconds("duration")?),
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        ..OutputSpec::default()
    })
}

fn encode(task: &Task, links: &Links) -> Reply {
    let (status, error) = standing(&task.state);
    let url = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs.first().map(|output| output.url(&links.base_url)),
        _ => None,
    };
    let body = Video {
        id: task.id.as_str().to_owned(),
        object: "video".to_owned(),
        model: task.request.model.clone(),
        status: status.to_owned(),
        progress: Some(percent(task, links.now)),
        created_at: task.created_at.as_secs(),
        completed_at: task.state.ended_at().filter(|_| error.is_none()).map(domain::Timestamp::as_secs),
        error,
        prompt: task.request.prompt.clone(),
        seconds: task.request.output.duration_s.map(|seconds| seconds.to_string()).unwrap_or_default(),
        size: pixels(task),
        url: url.unwrap_or_default(),
        ..Video::default()
    };
    let reply = answer::json(StatusCode::OK, &body);
    if task.state.is_terminal() { reply } else { reply.with_header(POLL_AFTER, POLL_AFTER_MS) }
}

/// The size that the client gave, in whichever API; else the one of the shape that it wants.
fn pixels(task: &Task) -> String {
    let request = &task.request;
    let own = request.vendor.iter().filter(|vendor| vendor.api == NAME);
    let given = own.filter_map(|vendor| vendor.fields.get(SIZE)?.as_str()).next();
    let OutputSpec { aspect_ratio, resolution, size, .. } = &request.output;
    let of_shape = || size::of(aspect_ratio.as_deref()?, resolution.as_deref());
    given.or(size.as_deref()).map(str::to_owned).or_else(of_shape).unwrap_or_default()
}

/// The word of `status`, and why a task failed. A cancelled task is a failed one with a code of its own.
fn standing(state: &TaskState) -> (&'static str, Option<VideoError>) {
    let failed = |code: &str, message: &str| {
        (status::FAILED, Some(VideoError { code: code.to_owned(), message: message.to_owned() }))
    };
    match state {
        TaskState::Queued => (status::QUEUED, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::IN_PROGRESS, None),
        TaskState::Succeeded { .. } => (status::COMPLETED, None),
        TaskState::Failed { failure, .. } => failed(code(failure.kind), &failure.public),
        TaskState::Cancelled { .. } => failed("cancelled", "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed(code(FailureKind::Expired), "the task was not finished before its deadline")
        }
    }
}

/// The code of a failure, of a request or of a task; OpenAI's own words where it has one.
fn code(kind: FailureKind) -> &'static str {
    use FailureKind as K;
    match kind {
        K::InvalidRequest => "invalid_value",
        K::Unauthorized => "invalid_api_key",
        K::NotFound => "not_found",
        K::MethodNotAllowed => "method_not_allowed",
        K::ModelNotFound => "model_not_found",
        K::BodyTooLarge => "body_too_large",
        K::RequestTimeout => "request_timeout",
        K::RateLimited => "rate_limit_exceeded",
        K::TooManyTasks => "too_many_concurrent_tasks",
        K::Overloaded => "overloaded",
        K::Internal => "internal_error",
        K::ContentPolicy => "moderation_blocked",
        K::UpstreamRejected => "upstream_rejected",
        K::UpstreamAuth => "upstream_auth",
        K::UpstreamQuota => "upstream_quota",
        K::UpstreamBusy => "upstream_busy",
        K::GenerationFailed => "generation_failed",
        K::OutcomeUnknown => "outcome_unknown",
        K::NoRoute => "no_route",
        K::Expired => "expired",
    }
}

/// Status and type of an error. Faults of upstreams are never 401 or 403: the client's key is fine.
fn error_row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    const REQUEST: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        K::InvalidRequest | K::ContentPolicy => (StatusCode::BAD_REQUEST, REQUEST),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, REQUEST),
        K::NotFound | K::ModelNotFound => (StatusCode::NOT_FOUND, REQUEST),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, REQUEST),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, REQUEST),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, REQUEST),
        K::RateLimited | K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, SERVER),
        K::UpstreamRejected | K::UpstreamAuth | K::GenerationFailed | K::OutcomeUnknown => {
            (StatusCode::BAD_GATEWAY, SERVER)
        }
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, SERVER),
        K::Overloaded | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            (StatusCode::SERVICE_UNAVAILABLE, SERVER)
        }
    }
}
