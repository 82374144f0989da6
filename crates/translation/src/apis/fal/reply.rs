//! How a task stands, in fal's words: the status, the result, and the message to a client's webhook.

use domain::{
    Failure, FailureKind, Output as DomainOutput, OutputMedia, Reply, Scope, Task, TaskState,
    media_type_of_extension,
};
use http::{HeaderName, StatusCode};

use super::ids;
use super::wire::{Detail, ErrorReply, File, Metrics, Output, Payload, Problem, Queued, Webhook, status};
use crate::{Links, answer, web};

/// Where clients read the id of a request beside its result.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-fal-request-id");

/// The id of a task and the addresses to ask about it.
pub(super) fn addresses(task: &Task, links: &Links) -> Queued {
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

/// How a task stands.
pub(super) fn encode_status(task: &Task, links: &Links) -> Reply {
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
            let error = ending(state);
            let body = Queued {
                status: status::COMPLETED.to_owned(),
                logs: Some([]),
                metrics: Some(Metrics { inference_time: took.map(|took| took.as_secs_f64()) }),
                error: error.as_ref().map(|error| error.text.clone()).unwrap_or_default(),
                error_type: error.map(|error| error.r#type.to_owned()).unwrap_or_default(),
                ..body
            };
            answer::json(StatusCode::OK, &body)
        }
    }
}

/// What a task made, or why it made nothing.
pub(super) fn encode_result(task: &Task, links: &Links) -> Reply {
    let reply = match (&task.state, ending(&task.state)) {
        (TaskState::Succeeded { outputs, .. }, _) => {
            answer::json(StatusCode::OK, &output(task.request.scope, outputs, links))
        }
        (_, Some(error)) => answer::json(error.status, &error.body()),
        (_, None) => {
            let detail = Detail::Text("Request is still in progress".to_owned());
            answer::json(StatusCode::BAD_REQUEST, &ErrorReply { detail, ..ErrorReply::default() })
        }
    };
    reply.with_header(REQUEST_ID, task.id.as_str())
}

/// What a client's webhook is told: the result, or the same error as in its place.
pub(super) fn encode_webhook(task: &Task, links: &Links) -> Reply {
    let error = ending(&task.state);
    let payload = match (&task.state, &error) {
        (TaskState::Succeeded { outputs, .. }, _) => {
            Some(Payload::Output(output(task.request.scope, outputs, links)))
        }
        (_, Some(error)) => Some(Payload::Error(error.body())),
        _ => None,
    };
    let id = task.id.as_str();
    let body = Webhook {
        request_id: id,
        // Another one only where fal's own gateway has tried again.
        gateway_request_id: id,
        status: if error.is_some() { "ERROR" } else { "OK" },
        payload,
        error: error.map(|error| error.text),
    };
    answer::json(StatusCode::OK, &body)
}

/// An end without a result.
struct Ending {
    text: String,
    /// fal's word for it.
    r#type: &'static str,
    field: Option<String>,
    /// Of the result: never one that makes fal's clients ask again.
    status: StatusCode,
    /// Whether a model said it, with the field at fault, and not the queue.
    is_of_model: bool,
}

impl Ending {
    fn body(&self) -> ErrorReply {
        if self.is_of_model {
            let detail = Detail::Problems(vec![problem(&self.text, self.r#type, self.field.as_deref())]);
            return ErrorReply { detail, ..ErrorReply::default() };
        }
        ErrorReply { detail: Detail::Text(self.text.clone()), error_type: self.r#type.to_owned() }
    }
}

/// Why a task ended without a result, if it did.
fn ending(state: &TaskState) -> Option<Ending> {
    match state {
        TaskState::Failed { failure, .. } => Some(Ending {
            text: failure.public.clone(),
            r#type: type_of(failure.kind),
            field: failure.field.clone(),
            status: match failure.kind {
                FailureKind::ContentPolicy | FailureKind::UpstreamRejected => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                _ => StatusCode::BAD_REQUEST,
            },
            is_of_model: true,
        }),
        TaskState::Cancelled { .. } => Some(Ending {
            text: "Request was cancelled by the client".to_owned(),
            r#type: "client_cancelled",
            field: None,
            status: client_closed(),
            is_of_model: false,
        }),
        TaskState::Expired { .. } => Some(Ending {
            text: "the task was not finished before its deadline".to_owned(),
            r#type: type_of(FailureKind::Expired),
            field: None,
            status: StatusCode::BAD_REQUEST,
            is_of_model: true,
        }),
        _ => None,
    }
}

/// 499, which fal says of a request that its client has cancelled.
fn client_closed() -> StatusCode {
    StatusCode::from_u16(499).expect("three digits")
}

/// A failure of a request as a problem with its field.
pub(super) fn problem_of(failure: &Failure) -> Problem {
    problem(&failure.public, type_of(failure.kind), failure.field.as_deref())
}

fn problem(text: &str, r#type: &str, field: Option<&str>) -> Problem {
    Problem {
        loc: ["body"].into_iter().chain(field).map(str::to_owned).collect(),
        msg: text.to_owned(),
        r#type: r#type.to_owned(),
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

fn output(scope: Scope, outputs: &[DomainOutput], links: &Links) -> Output {
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
