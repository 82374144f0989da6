//! What an operator reads of a request that was refused: one shape for all.

use std::fmt;

use domain::{AdminScope, AdminScopes, Failure, FailureKind};
use http::{HeaderValue, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tasks::{Grant, NotDerived};

use super::reply;
use crate::body::Answer;

/// A refused request.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: String,
    failure: Box<Failure>,
    /// The methods of the path, where the request had another.
    allow: Option<String>,
}

/// What is told of a refused request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// Why a request was refused.
#[derive(Serialize, JsonSchema)]
struct ErrorDetail {
    /// The class: `invalid_request`, `unauthorized`, `forbidden`, `not_found` ...
    code: String,
    /// A sentence.
    message: String,
    /// The parameter, or the field of the body, at fault.
    field: Option<String>,
}

impl Refused {
    /// The credential is good, but not for this.
    pub(super) fn forbidden(grant: &Grant, needed: AdminScope) -> Self {
        let text = format!("this needs the scope {}; {} has: {}", needed.as_str(), grant.name, grant.scopes);
        Self::of_forbidden(Failure::new(FailureKind::Unauthorized, text))
    }

    /// The path has other methods.
    pub(super) fn method<'a>(methods: impl Iterator<Item = &'a Method>) -> Self {
        let allow: Vec<&str> = methods.map(Method::as_str).collect();
        let failure = Failure::new(FailureKind::MethodNotAllowed, "this path has another method");
        Self { allow: Some(allow.join(", ")), ..failure.into() }
    }

    /// The class, for programs.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn into_answer(self) -> Answer {
        let error = ErrorDetail { code: self.code, message: self.failure.public, field: self.failure.field };
        let mut answer = reply(self.status, &json!(ErrorBody { error }));
        let mut insert = |name, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                answer.headers_mut().insert(name, value);
            }
        };
        insert(header::ALLOW, self.allow);
        // Rounded up: whoever comes back a moment early is refused again.
        insert(
            header::RETRY_AFTER,
            self.failure.retry_after.map(|wait| wait.as_millis().div_ceil(1000).to_string()),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            insert(header::WWW_AUTHENTICATE, Some("Bearer".to_owned()));
        }
        answer
    }

    fn of_forbidden(failure: Failure) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: "forbidden".to_owned(),
            failure: failure.into(),
            allow: None,
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { status: status(failure.kind), code: failure.kind.name(), failure: failure.into(), allow: None }
    }
}

impl From<NotDerived> for Refused {
    fn from(not: NotDerived) -> Self {
        let wider = |more: AdminScopes| Failure::invalid("scopes", format!("scopes: you do not have {more}"));
        match not {
            NotDerived::Wider(more) => Self::of_forbidden(wider(more)),
            NotDerived::Invalid(failure) => failure.into(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.status.as_u16(), self.failure)
    }
}

fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Unauthorized => StatusCode::UNAUTHORIZED,
        FailureKind::NotFound | FailureKind::ModelNotFound => StatusCode::NOT_FOUND,
        FailureKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        FailureKind::InvalidRequest => StatusCode::BAD_REQUEST,
        FailureKind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        FailureKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        FailureKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
