//! The operator's API: below `/admin/`, JSON, with the operator's own key.

use domain::{Failure, FailureKind};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tasks::Operator;

use crate::body::Answer;

/// Messages in one answer.
const DELIVERIES_MAX: usize = 1000;
const DELIVERIES_USUAL: usize = 100;

/// A request to the operator's API.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// Below `/admin/`.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
}

pub(super) async fn answer(operator: &Operator, asked: &Asked<'_>) -> Answer {
    match try_answer(operator, asked).await {
        Ok(body) => reply(StatusCode::OK, &body),
        Err(failure) => {
            tracing::warn!(path = asked.path, %failure, "the operator's API refused a request");
            reply(
                status(failure.kind),
                &json!({ "error": { "code": failure.kind, "message": failure.public } }),
            )
        }
    }
}

async fn try_answer(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Failure> {
    operator.authorize(bearer(asked.headers))?;
    let segments: Vec<&str> = asked.path.split('/').collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", ["deliveries"]) => {
            let state = parameter(asked.query, "state").unwrap_or("dead");
            let max = parameter(asked.query, "max").map_or(Ok(DELIVERIES_USUAL), str::parse);
            let in_bounds = max.ok().filter(|max| (1..=DELIVERIES_MAX).contains(max));
            let wrong = || Failure::invalid("max", format!("max: a number from 1 to {DELIVERIES_MAX}"));
            let deliveries = operator.deliveries(state, in_bounds.ok_or_else(wrong)?).await?;
            Ok(json!({ "deliveries": deliveries }))
        }
        ("POST", ["deliveries", "replay"]) => Ok(json!({ "replayed": operator.replay(None).await? })),
        ("POST", ["deliveries", id, "replay"]) => Ok(json!({ "replayed": operator.replay(Some(id)).await? })),
        (_, ["deliveries"] | ["deliveries", "replay"] | ["deliveries", _, "replay"]) => {
            Err(Failure::new(FailureKind::MethodNotAllowed, "this path has another method"))
        }
        _ => Err(Failure::new(FailureKind::NotFound, "no such path of the operator's API")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The first value of a query's parameter; values here need no escapes.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Unauthorized => StatusCode::UNAUTHORIZED,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        FailureKind::InvalidRequest => StatusCode::BAD_REQUEST,
        FailureKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn reply(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(bytes::Bytes::from(body.to_string()).into());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
