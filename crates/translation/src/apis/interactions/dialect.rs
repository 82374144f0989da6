//! The Interactions API as clients speak it to us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{
    Call, Failure, FailureKind, MediaKind, Output, OutputMedia, Reply, Scope, Task, TaskId, TaskState,
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::wire::{
    Content, ErrorDetail, ErrorReply, Event, EventData, Interaction, KEY, ModelEntry, ModelList, NAME, Step,
    kind, status,
};
use super::{Interactions, draft};
use crate::{
    Action, Cancelled, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Wait, answer, key, rfc3339,
};

const INTERACTIONS: &str = "/v1beta/interactions";
const INTERACTION: &str = "/v1beta/interactions/{task_id}";
const CANCEL: &str = "/v1beta/interactions/{task_id}/cancel";

static ENDPOINTS: [Endpoint; 5] = [
    Endpoint { method: Method::POST, path: INTERACTIONS, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: INTERACTION, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: CANCEL, action: Action::Cancel, public: false },
    Endpoint { method: Method::DELETE, path: INTERACTION, action: Action::Delete, public: false },
    Endpoint { method: Method::GET, path: "/v1beta/models", action: Action::Models, public: false },
];

impl Dialect for Interactions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = TaskId::new(params.get("task_id"));
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(draft::decode(&call.body)?))),
            Action::Get => Ok(Intent::Get { id, scope: Some(Scope::Videos) }),
            Action::Cancel => Ok(Intent::Cancel(id)),
            Action::Delete => Ok(Intent::Delete(id)),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    /// A client that does not ask for background waits for the result. Results stand in polls, too.
    fn wait(&self, endpoint: &Endpoint, call: &Call) -> Wait {
        match endpoint.action {
            Action::Get => Wait::ForMedia,
            Action::Create if draft::is_background(&call.body) => Wait::No,
            Action::Create if draft::wants_uri(&call.body) => Wait::ForResult,
            Action::Create => Wait::ForMedia,
            _ => Wait::No,
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        answer::json(StatusCode::OK, &interaction(task, &[], links))
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        answer::json(StatusCode::OK, &interaction(task, &[], links))
    }

    fn encode_result(&self, _endpoint: &Endpoint, task: &Task, media: &[Bytes], links: &Links) -> Reply {
        answer::json(StatusCode::OK, &interaction(task, media, links))
    }

    fn encode_cancelled(&self, _endpoint: &Endpoint, cancelled: &Cancelled<'_>, links: &Links) -> Reply {
        if cancelled.too_late {
            let failure = Failure::new(FailureKind::InvalidRequest, "the interaction has already ended");
            return self.encode_failure(&failure);
        }
        answer::json(StatusCode::OK, &interaction(cancelled.task, &[], links))
    }

    fn encode_deleted(&self, _endpoint: &Endpoint, _id: &TaskId) -> Reply {
        answer::json(StatusCode::OK, &json!({}))
    }

    fn encode_callback(&self, task: &Task, links: &Links) -> Reply {
        let (r#type, error) = match &task.state {
            TaskState::Succeeded { .. } => ("interaction.completed", None),
            TaskState::Cancelled { .. } => ("interaction.cancelled", None),
            state => ("interaction.failed", standing(state).1),
        };
        let metadata = task.request.callback.as_ref().and_then(|callback| callback.events.first());
        let event = Event {
            r#type,
            version: "v1",
            timestamp: rfc3339::text_s(task.state.ended_at().unwrap_or(links.now)),
            data: EventData {
                id: task.id.as_str(),
                error_code: error.map(|(code, _)| code),
                error_message: error.map(|(_, message)| message),
            },
            user_metadata: metadata.and_then(|text| serde_json::from_str(text).ok()),
        };
        answer::json(StatusCode::OK, &event)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        let mut entries: Vec<ModelEntry> = Vec::new();
        for model in models {
            // A name that makes several things is there once.
            if entries.last().is_none_or(|entry| entry.display_name != model.name) {
                entries.push(ModelEntry {
                    name: format!("models/{}", model.name),
                    display_name: model.name.clone(),
                    description: answer::description(model),
                });
            }
        }
        answer::json(StatusCode::OK, &ModelList { models: entries })
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, code) = error_row(failure.kind);
        answer::failure(status, failure, &ErrorReply { error: Some(error_detail(code, &failure.public)) })
    }

    /// Google's header, or a bearer key.
    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if headers.contains_key(KEY) {
            return key::only(headers, KEY).map(str::trim);
        }
        key::in_authorization(headers, &["Bearer"])
    }
}

/// The task as an interaction; its results with their bytes if these are all there and the client did not ask for
/// addresses.
fn interaction(task: &Task, media: &[Bytes], links: &Links) -> Interaction {
    let (status, error) = standing(&task.state);
    let steps = match &task.state {
        TaskState::Succeeded { outputs, .. } => {
            let media = if draft::wanted_uri(&task.request) { &[] } else { media };
            vec![output_step(outputs, media, &links.base_url)]
        }
        _ => Vec::new(),
    };
    let basis = task.request.basis.as_ref();
    Interaction {
        id: task.id.as_str().to_owned(),
        object: "interaction".to_owned(),
        model: task.request.model.clone(),
        status: status.to_owned(),
        created: rfc3339::text_s(task.created_at),
        updated: rfc3339::text_s(task.state.ended_at().or(task.started_at()).unwrap_or(task.created_at)),
        steps,
        errors: error.map(|(code, message)| error_detail(code, message)).into_iter().collect(),
        previous_interaction_id: basis.map(|basis| basis.task.as_str().to_owned()).unwrap_or_default(),
        ..Interaction::default()
    }
}

fn output_step(outputs: &[Output], media: &[Bytes], base_url: &str) -> Step {
    let content = outputs.iter().enumerate().map(|(index, output)| {
        let bytes = media.get(index).filter(|_| media.len() == outputs.len());
        Content {
            r#type: content_type(output.kind).to_owned(),
            mime_type: mime_type(output),
            uri: if bytes.is_none() { output.url(base_url) } else { String::new() },
            data: bytes.map(|bytes| STANDARD.encode(bytes)).unwrap_or_default(),
            ..Content::default()
        }
    });
    Step { r#type: kind::MODEL_OUTPUT.to_owned(), content: content.collect(), error: None }
}

fn content_type(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => kind::IMAGE,
        MediaKind::Video => kind::VIDEO,
        MediaKind::Audio => "audio",
    }
}

fn mime_type(output: &Output) -> String {
    match &output.media {
        OutputMedia::Stored { media_type, .. } => media_type.clone(),
        OutputMedia::Remote { .. } => String::new(),
    }
}

fn error_detail(code: &str, message: &str) -> ErrorDetail {
    ErrorDetail { message: message.to_owned(), code: code.to_owned(), ..ErrorDetail::default() }
}

/// The word of `status`, and code and text of why a task failed.
fn standing(state: &TaskState) -> (&'static str, Option<(&'static str, &str)>) {
    match state {
        TaskState::Queued => (status::QUEUED, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::IN_PROGRESS, None),
        TaskState::Succeeded { .. } => (status::COMPLETED, None),
        TaskState::Failed { failure, .. } => {
            (status::FAILED, Some((error_row(failure.kind).1, failure.public.as_str())))
        }
        TaskState::Cancelled { .. } => (status::CANCELLED, None),
        TaskState::Expired { .. } => {
            let text = "the task was not finished before its deadline";
            (status::FAILED, Some((error_row(FailureKind::Expired).1, text)))
        }
    }
}

/// Status and code of an error. Faults of upstreams are never 401 or 403: the client's key is fine. What was tried and
/// failed is 400, since Google's clients repeat a creation after 408, 409, 429 and every 5xx, and would order again.
fn error_row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    const INVALID: &str = "invalid_request";
    const TRIED: &str = "failed_precondition";
    const UNAVAILABLE: &str = "service_unavailable";
    match kind {
        K::InvalidRequest | K::ContentPolicy => (StatusCode::BAD_REQUEST, INVALID),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, "authentication"),
        K::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        K::OutOfBudget => (StatusCode::FORBIDDEN, TRIED),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, INVALID),
        K::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found"),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, INVALID),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, INVALID),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "deadline_exceeded"),
        K::RateLimited | K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded"),
        K::UpstreamRejected | K::GenerationFailed | K::OutcomeUnknown | K::Expired | K::StillRunning => {
            (StatusCode::BAD_REQUEST, TRIED)
        }
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
    }
}
