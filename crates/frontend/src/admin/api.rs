//! The operator's API: below `/admin/`, JSON, with the operator's own key.

use std::time::Duration;

use bytes::Bytes;
use domain::{Failure, FailureKind};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tasks::{Operator, Question};

use crate::body::Answer;

/// Where it is.
pub(super) const PREFIX: &str = "/admin/";

/// A longer body of a request is not read.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) async fn answer(
    operator: &Operator,
    request: Request<Incoming>,
    body_timeout: Duration,
) -> Answer {
    let (head, body) = request.into_parts();
    match try_answer(operator, &head, whole(body, body_timeout)).await {
        Ok(body) => reply(StatusCode::OK, &body),
        Err(failure) => {
            tracing::warn!(path = head.uri.path(), %failure, "the operator's API refused a request");
            let Failure { kind, public, field, .. } = failure;
            let error = json!({ "code": kind, "message": public, "field": field });
            reply(status(kind), &json!({ "error": error }))
        }
    }
}

/// The body is read where it is needed, and never for a stranger.
async fn try_answer(
    operator: &Operator,
    head: &Parts,
    body: impl Future<Output = Result<Bytes, Failure>>,
) -> Result<Value, Failure> {
    let grant = operator.authenticate(bearer(&head.headers))?;
    if grant.scopes != domain::AdminScopes::all() {
        return Err(Failure::new(FailureKind::Unauthorized, "this key may not do everything"));
    }
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    match (head.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", ["accounts"]) => Ok(json!(operator.accounts(None, None).await?)),
        ("POST", ["accounts", name, "drain"]) => Ok(json!(operator.drain(name).await?)),
        ("POST", ["accounts", name, "resume"]) => Ok(json!(operator.resume(name).await?)),
        ("GET" | "HEAD", ["tasks", id]) => Ok(json!(operator.task(id).await?)),
        ("POST", ["reload"]) => Ok(json!(operator.reload().await?)),
        ("POST", ["explain"]) => Ok(json!(operator.explain(&question(&body.await?)?).await?)),
        ("GET" | "HEAD", ["deliveries"]) => deliveries(operator, head.uri.query().unwrap_or_default()).await,
        ("POST", ["deliveries", "replay"]) => Ok(json!(operator.replay(None).await?)),
        ("POST", ["deliveries", id, "replay"]) => Ok(json!(operator.replay(Some(id)).await?)),
        (
            _,
            ["accounts" | "deliveries" | "explain" | "reload"]
            | ["accounts", _, "drain" | "resume"]
            | ["tasks", _]
            | ["deliveries", "replay"]
            | ["deliveries", _, "replay"],
        ) => Err(Failure::new(FailureKind::MethodNotAllowed, "this path has another method")),
        _ => Err(Failure::new(FailureKind::NotFound, "no such path of the operator's API")),
    }
}

async fn deliveries(operator: &Operator, query: &str) -> Result<Value, Failure> {
    let state = parameter(query, "state").unwrap_or("dead");
    let max = parameter(query, "max").and_then(|max| max.parse::<usize>().ok());
    let query = serde_json::from_value(json!({ "state": state, "max": max }));
    let query = query.map_err(|error| Failure::invalid("state", error.to_string()))?;
    Ok(json!(operator.deliveries(&query).await?))
}

fn question(body: &[u8]) -> Result<Question, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::invalid("body", format!("body: {error}")))
}

/// The whole body, if it is short enough and comes in time.
async fn whole(body: Incoming, timeout: Duration) -> Result<Bytes, Failure> {
    match tokio::time::timeout(timeout, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("the body may have {BODY_BYTES_MAX} bytes");
            Err(Failure::new(FailureKind::BodyTooLarge, text))
        }
        Ok(Err(_broken)) => Err(Failure::invalid("body", "body: it did not come whole")),
        Err(_elapsed) => Err(Failure::new(FailureKind::RequestTimeout, "the body did not come in time")),
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
        FailureKind::NotFound | FailureKind::ModelNotFound => StatusCode::NOT_FOUND,
        FailureKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        FailureKind::InvalidRequest => StatusCode::BAD_REQUEST,
        FailureKind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        FailureKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn reply(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()).into());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
