//! Replies to clients: what the dialects' answers have in common.

use std::time::Duration;

use domain::{Failure, Reply};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::ModelListing;

/// The owner of every model in a list: the one who answers, not the one behind it.
const OWNER: &str = "filmgate";

/// A reply without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    Reply { status, headers: HeaderMap::new(), body: bytes::Bytes::new() }
}

/// A reply of JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Reply { status, headers, body: serde_json::to_vec(body).expect("texts and numbers encode").into() }
}

/// A reply of JSON to a request that failed, with the headers that HTTP has for it: when to try again, always there
/// with 429, and with 401 how to prove who one is.
pub(crate) fn failure(status: StatusCode, failure: &Failure, body: &impl Serialize) -> Reply {
    let mut reply = json(status, body);
    let throttled = (status == StatusCode::TOO_MANY_REQUESTS).then_some(Duration::ZERO);
    if let Some(wait) = failure.retry_after.or(throttled) {
        reply.headers.insert(header::RETRY_AFTER, whole_seconds(wait).into());
    }
    if status == StatusCode::UNAUTHORIZED {
        reply.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

/// The list of models in the shape that the field has made its own; each name once, with its scopes. Those of one name
/// are expected together.
pub(crate) fn models(models: &[ModelListing]) -> Reply {
    let mut data: Vec<ModelEntry<'_>> = Vec::with_capacity(models.len());
    for model in models {
        match data.last_mut().filter(|entry| entry.id == model.name) {
            Some(entry) => entry.scopes.push(model.scope.as_str()),
            None => data.push(ModelEntry {
                id: &model.name,
                object: "model",
                created: 0,
                owned_by: OWNER,
                scopes: vec![model.scope.as_str()],
                aliases: &model.aliases,
                deprecated: model.deprecated,
                replaced_by: model.replaced_by.as_deref(),
            }),
        }
    }
    json(StatusCode::OK, &ModelList { object: "list", data })
}

/// What lists say of a model that have a text for it: what it makes, whether to leave it, its other names.
pub(crate) fn description(model: &ModelListing) -> String {
    let mut text = model.scope.as_str().to_owned();
    if model.deprecated {
        text += "; deprecated";
    }
    if let Some(successor) = &model.replaced_by {
        text += &format!(", use {successor}");
    }
    if !model.aliases.is_empty() {
        text += &format!("; also {}", model.aliases.join(", "));
    }
    text
}

/// The list of models.
#[derive(Debug, Serialize)]
struct ModelList<'a> {
    object: &'static str,
    data: Vec<ModelEntry<'a>>,
}

/// One model of the list.
#[derive(Debug, Serialize)]
struct ModelEntry<'a> {
    id: &'a str,
    object: &'static str,
    /// Unix seconds; always 0, since a name has no birthday.
    created: i64,
    owned_by: &'static str,
    /// What it makes: `videos`.
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<&'a str>,
}

/// Rounded up, and at least 1: a client that waits 0 seconds comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
