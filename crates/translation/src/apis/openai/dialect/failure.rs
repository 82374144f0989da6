//! Failures in OpenAI's words.

use domain::{Failure, FailureKind, Reply};
use http::{HeaderName, StatusCode};

use super::super::wire::{ErrorReply, HttpError};
use crate::answer;

/// Whether OpenAI's clients shall send a request again by themselves; without it they do so after every 5xx.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The reply to a request that failed.
pub(super) fn encode(failure: &Failure) -> Reply {
    let (status, r#type) = error_row(failure.kind);
    let error = HttpError {
        message: failure.public.clone(),
        r#type: r#type.to_owned(),
        param: failure.field.clone(),
        code: code(failure.kind).to_owned(),
    };
    let reply = answer::failure(status, failure, &ErrorReply::of(error));
    if is_final(failure.kind) { reply.with_header(SHOULD_RETRY, "false") } else { reply }
}

/// Whether the same request again would be paid for a second time, or refused again.
fn is_final(kind: FailureKind) -> bool {
    use FailureKind as K;
    matches!(
        kind,
        K::StillRunning | K::OutcomeUnknown | K::Expired | K::GenerationFailed | K::UpstreamRejected
    )
}

/// The code of a failure, of a request or of a task; OpenAI's own words where it has one.
pub(super) fn code(kind: FailureKind) -> &'static str {
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
        K::StillRunning => "still_running",
        K::OutOfBudget => "insufficient_quota",
        K::KeyReused => "idempotency_key_reused",
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
        K::StillRunning => (StatusCode::GATEWAY_TIMEOUT, SERVER),
        K::OutOfBudget => (StatusCode::FORBIDDEN, "insufficient_quota"),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, REQUEST),
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
