//! Errors in Google's shape: of a request, and of an operation.

use domain::{Failure, FailureKind, Reply, TaskState};
use http::StatusCode;

use super::wire::{Detail, ErrorReply, FieldViolation, HttpError, Status};
use crate::answer;

/// What a detail is that names a field.
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// The canonical codes (google.rpc.Code) that we use: number, name, HTTP status.
struct Code(i64, &'static str, StatusCode);

const CANCELLED: i64 = 1;
const INVALID_ARGUMENT: Code = Code(3, "INVALID_ARGUMENT", StatusCode::BAD_REQUEST);
const DEADLINE_EXCEEDED: Code = Code(4, "DEADLINE_EXCEEDED", StatusCode::GATEWAY_TIMEOUT);
const NOT_FOUND: Code = Code(5, "NOT_FOUND", StatusCode::NOT_FOUND);
const RESOURCE_EXHAUSTED: Code = Code(8, "RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS);
const FAILED_PRECONDITION: Code = Code(9, "FAILED_PRECONDITION", StatusCode::BAD_REQUEST);
const INTERNAL: Code = Code(13, "INTERNAL", StatusCode::INTERNAL_SERVER_ERROR);
const UNAVAILABLE: Code = Code(14, "UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE);
const UNAUTHENTICATED: Code = Code(16, "UNAUTHENTICATED", StatusCode::UNAUTHORIZED);

/// The reply to a request that failed.
pub(crate) fn reply(failure: &Failure) -> Reply {
    let Code(_, name, usual) = code(failure.kind);
    let status = status(failure.kind, usual);
    let violation = failure
        .field
        .iter()
        .map(|field| FieldViolation { field: field.clone(), description: failure.public.clone() });
    let field_violations: Vec<FieldViolation> = violation.collect();
    let detail = Detail { r#type: BAD_REQUEST.to_owned(), field_violations, ..Detail::default() };
    let error = HttpError {
        code: status.as_u16().into(),
        message: failure.public.clone(),
        status: name.to_owned(),
        details: if failure.field.is_some() { vec![detail] } else { Vec::new() },
    };
    answer::failure(status, failure, &ErrorReply { error: Some(error) })
}

/// Why an operation failed, if it did.
pub(crate) fn of_operation(state: &TaskState) -> Option<Status> {
    let (code, message) = match state {
        TaskState::Failed { failure, .. } => (code(failure.kind).0, failure.public.as_str()),
        TaskState::Cancelled { .. } => (CANCELLED, "the task was cancelled"),
        TaskState::Expired { .. } => {
            (code(FailureKind::Expired).0, "the task was not finished before its deadline")
        }
        _ => return None,
    };
    Some(Status { code, message: message.to_owned() })
}

fn code(kind: FailureKind) -> Code {
    use FailureKind as K;
    match kind {
        K::InvalidRequest
        | K::KeyReused
        | K::MethodNotAllowed
        | K::BodyTooLarge
        | K::ContentPolicy
        | K::UpstreamRejected => INVALID_ARGUMENT,
        K::Unauthorized => UNAUTHENTICATED,
        K::NotFound | K::ModelNotFound => NOT_FOUND,
        K::RequestTimeout | K::Expired => DEADLINE_EXCEEDED,
        K::RateLimited | K::TooManyTasks => RESOURCE_EXHAUSTED,
        K::StillRunning | K::OutOfBudget => FAILED_PRECONDITION,
        K::Internal | K::GenerationFailed | K::OutcomeUnknown => INTERNAL,
        // Faults of upstreams are never UNAUTHENTICATED: the client's key is fine.
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => UNAVAILABLE,
    }
}

/// The HTTP status of a failure, where HTTP has a better word than its code's `usual` one.
fn status(kind: FailureKind, usual: StatusCode) -> StatusCode {
    use FailureKind as K;
    match kind {
        K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        K::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        K::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        K::OutOfBudget => StatusCode::FORBIDDEN,
        K::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        K::UpstreamRejected | K::UpstreamAuth | K::GenerationFailed | K::OutcomeUnknown => {
            StatusCode::BAD_GATEWAY
        }
        _ => usual,
    }
}
