//! Predictions as clients make and watch them here, and the files that go into them.

use domain::{Call, Failure, FailureKind, Reply, Task, TaskId};
use http::{HeaderMap, Method, StatusCode, header};

use super::prediction::PATH;
use super::wire::{
    ErrorReply, FileReply, ModelEntry, ModelList, NAME, Prediction, PredictionList, Urls, status,
};
use super::{Replicate, draft, names, prediction};
use crate::{
    Action, Dialect, Endpoint, Intent, Links, ListQuery, ModelListing, Page, PathParams, Upload, Wait,
    answer, key, rfc3339, upload, web,
};

/// Predictions on a page; clients cannot choose.
const PAGE: usize = 100;
/// The parameter of a list's query that says where the page begins.
const CURSOR: &str = "cursor";
/// Those that would leave some out.
const FILTERS: [&str; 3] = ["created_after", "created_before", "source"];

static ENDPOINTS: [Endpoint; 7] = [
    endpoint(Method::POST, "/v1/models/{owner}/{name}/predictions", Action::Create),
    endpoint(Method::POST, PATH, Action::Create),
    endpoint(Method::GET, "/v1/predictions/{task_id}", Action::Get),
    endpoint(Method::GET, PATH, Action::List),
    endpoint(Method::POST, "/v1/predictions/{task_id}/cancel", Action::Cancel),
    endpoint(Method::POST, "/v1/files", Action::Upload),
    endpoint(Method::GET, "/v1/models", Action::Models),
];

const fn endpoint(method: Method, path: &'static str, action: Action) -> Endpoint {
    Endpoint { method, path, action, public: false }
}

impl Dialect for Replicate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = || TaskId::new(params.get("task_id"));
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(draft::decode(params, &call.body)?))),
            Action::Get => Ok(Intent::Get { id: id(), scope: None }),
            Action::List => decode_list(&call.query).map(Intent::List),
            Action::Cancel => Ok(Intent::Cancel(id())),
            Action::Upload => Ok(Intent::Upload(Box::new(upload::of_form(call, "content", &["filename"])?))),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn wait(&self, endpoint: &Endpoint, call: &Call) -> Wait {
        if endpoint.action == Action::Create { draft::decode_wait(&call.headers) } else { Wait::No }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        answer::json(StatusCode::CREATED, &new_prediction(task, links))
    }

    /// Of a `Create` endpoint: the end of a wait, which the task may not have seen.
    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        match (endpoint.action, task.state.is_terminal()) {
            (Action::Create, true) => answer::json(StatusCode::CREATED, &prediction::of(task, links)),
            (Action::Create, false) => answer::json(StatusCode::ACCEPTED, &new_prediction(task, links)),
            _ => answer::json(StatusCode::OK, &prediction::of(task, links)),
        }
    }

    fn encode_list(&self, _endpoint: &Endpoint, page: &Page, links: &Links) -> Reply {
        let next =
            page.tasks.last().filter(|_| page.has_more).map(|last| {
                format!("{}{PATH}?{CURSOR}={}", links.base_url, web::component(last.id.as_str()))
            });
        let results = page.tasks.iter().map(|task| prediction::of(task, links)).collect();
        answer::json(StatusCode::OK, &PredictionList { previous: (), next, results })
    }

    fn encode_upload(&self, _endpoint: &Endpoint, upload: &Upload, _links: &Links) -> Reply {
        let body = FileReply {
            id: &upload.id,
            name: &upload.name,
            content_type: &upload.media_type,
            size: upload.bytes,
            etag: &upload.id,
            checksums: serde_json::Map::new(),
            metadata: serde_json::Map::new(),
            created_at: rfc3339::text(upload.created_at),
            expires_at: rfc3339::text(upload.expires_at),
            urls: Urls { get: upload.url.clone(), ..Urls::default() },
        };
        answer::json(StatusCode::CREATED, &body)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        let mut results: Vec<ModelEntry<'_>> = Vec::new();
        for model in models {
            // A name that makes several things is there once.
            if results.last().is_none_or(|entry| entry.name != model.name) {
                results.push(ModelEntry {
                    url: "",
                    owner: names::OWNER,
                    name: &model.name,
                    description: answer::description(model),
                    visibility: "public",
                    run_count: 0,
                });
            }
        }
        answer::json(StatusCode::OK, &ModelList { next: (), previous: (), results })
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let (status, title) = error_row(failure);
        let body = ErrorReply {
            title: title.to_owned(),
            detail: failure.public.clone(),
            status: status.as_u16(),
            retry_after: None,
        };
        answer::failure(status, failure, &body)
    }

    /// Older clients say `Token` where newer ones say `Bearer`.
    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key::in_authorization(headers, &["Bearer", "Token"])
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        agent.is_some_and(|agent| agent.starts_with("replicate-"))
    }
}

/// The clients take any status but `starting` in the reply to a create for the end of their wait, so a task that has not
/// ended says this one.
fn new_prediction(task: &Task, links: &Links) -> Prediction {
    let mut prediction = prediction::of(task, links);
    if !task.state.is_terminal() {
        status::STARTING.clone_into(&mut prediction.status);
    }
    prediction
}

/// What a list shall hold: all of the client's tasks, newest first. A wish for some of them is refused, since leaving it
/// out would show others.
fn decode_list(query: &str) -> Result<ListQuery, Failure> {
    if let Some(filter) = FILTERS.iter().find(|filter| !web::query_value(query, filter).is_empty()) {
        return Err(Failure::invalid(*filter, format!("{filter}: the list is of all predictions")));
    }
    let cursor = web::query_value(query, CURSOR);
    let after = (!cursor.is_empty()).then(|| TaskId::new(cursor));
    Ok(ListQuery { scope: None, after, limit: PAGE, ascending: false })
}

/// Status and title of an error. Faults of upstreams are never 401 or 403: the client's key is fine.
fn error_row(failure: &Failure) -> (StatusCode, &'static str) {
    use FailureKind as K;
    match failure.kind {
        K::InvalidRequest if failure.field.is_none() => (StatusCode::BAD_REQUEST, "Bad request"),
        K::InvalidRequest => (StatusCode::UNPROCESSABLE_ENTITY, "Input validation failed"),
        K::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthenticated"),
        K::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        K::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        K::ModelNotFound => (StatusCode::NOT_FOUND, "Model not found"),
        K::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request too large"),
        K::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
        K::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        K::TooManyTasks => (StatusCode::TOO_MANY_REQUESTS, "Too many predictions"),
        K::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        K::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        K::ContentPolicy => (StatusCode::UNPROCESSABLE_ENTITY, "Content flagged"),
        K::UpstreamRejected => (StatusCode::BAD_GATEWAY, "Refused by the provider"),
        K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => {
            (StatusCode::SERVICE_UNAVAILABLE, "Provider unavailable")
        }
        K::GenerationFailed => (StatusCode::BAD_GATEWAY, "Prediction failed"),
        K::OutcomeUnknown => (StatusCode::BAD_GATEWAY, "Outcome unknown"),
        K::StillRunning => (StatusCode::CONFLICT, "Prediction still running"),
        K::OutOfBudget => (StatusCode::PAYMENT_REQUIRED, "Insufficient credit"),
        K::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key reused"),
        K::Expired => (StatusCode::GATEWAY_TIMEOUT, "Prediction timed out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, header::HeaderValue::from_static(value))])
    }

    #[test]
    fn its_clients_are_known_by_their_name() {
        for (agent, known) in [
            ("replicate-python/1.0.7", true),
            ("replicate-javascript/1.4.0", true),
            ("curl/8.5.0", false),
            ("not-replicate-python", false),
        ] {
            assert_eq!(Replicate.recognises(&headers(header::USER_AGENT, agent)), known, "{agent}");
        }
        assert!(!Replicate.recognises(&HeaderMap::new()));
    }

    #[test]
    fn a_key_stands_behind_either_scheme() {
        for (value, key) in [("Bearer k", Some("k")), ("Token k", Some("k")), ("Key k", None)] {
            assert_eq!(Replicate.key_in(&headers(header::AUTHORIZATION, value)), key, "{value}");
        }
    }
}
