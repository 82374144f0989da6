//! Predictions as clients make and watch them here.

use domain::{
    Call, Draft, DraftInput, Failure, FailureKind, OutputSpec, Reply, Role, Task, TaskId, TaskState,
    Timestamp, Vendor,
};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::wire::{
    ErrorReply, INPUT, Input, Metrics, ModelEntry, ModelList, NAME, Prediction, Urls, VERSION, status,
};
use super::{Replicate, names};
use crate::fields::{Fields, within};
use crate::{
    Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, inputs, key, rfc3339,
};

static ENDPOINTS: [Endpoint; 4] = [
    Endpoint {
        method: Method::POST,
        path: "/v1/models/{owner}/{name}/predictions",
        action: Action::Create,
        public: false,
    },
    Endpoint { method: Method::POST, path: "/v1/predictions", action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: "/v1/predictions/{task_id}", action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: false },
];

impl Dialect for Replicate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(params, &call.body)?))),
            Action::Get => Ok(Intent::Get { id: TaskId::new(params.get("task_id")), scope: None }),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    /// At once, whatever `Prefer: wait` says: an answer before the end is allowed. The clients take any status but
    /// `starting` in it for the end of their wait, so a task that has not ended says this one.
    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        let mut prediction = prediction(task, links);
        if !task.state.is_terminal() {
            status::STARTING.clone_into(&mut prediction.status);
        }
        answer::json(StatusCode::CREATED, &prediction)
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        answer::json(StatusCode::OK, &prediction(task, links))
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        let mut results: Vec<ModelEntry<'_>> = Vec::new();
        for model in models {
            // A name that makes several things is there once.
            if !results.iter().any(|entry| entry.name == model.name) {
                results.push(ModelEntry {
                    url: "",
                    owner: names::OWNER,
                    name: &model.name,
                    description: model.scope.as_str(),
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

fn decode_draft(params: &PathParams, body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let asked = model_of(params, &mut fields)?;
    let Some(mut input) = fields.object(INPUT)? else {
        return Err(Failure::invalid(INPUT, "input: required, an object"));
    };
    let inside = |failure| within(INPUT, failure);
    let inputs = decode_inputs(&mut input).map_err(inside)?;
    let prompt = input.prose("prompt").map_err(inside)?.unwrap_or_default();
    let output = decode_output(&mut input).map_err(inside)?;
    let unknown = input.rest().map_err(inside)?;
    let mut vendor = fields.rest()?;
    if !unknown.is_empty() {
        vendor.insert(INPUT.to_owned(), Value::Object(unknown));
    }
    let model = names::public_of(&asked, &inputs);
    Ok(Draft {
        model: Some(model),
        prompt,
        inputs,
        output,
        vendor: Some(vendor)
            .filter(|fields| !fields.is_empty())
            .map(|fields| Vendor { api: NAME.to_owned(), fields }),
        ..Draft::default()
    })
}

/// `owner/name`, perhaps with `:version`: of the path, else of the body.
fn model_of(params: &PathParams, fields: &mut Fields<'_>) -> Result<String, Failure> {
    let (owner, name) = (params.get("owner"), params.get("name"));
    if !name.is_empty() {
        return Ok(format!("{owner}/{name}"));
    }
    let model = fields.text("model")?;
    let version = fields.text("version")?;
    model.or(version).ok_or_else(|| Failure::invalid("version", "version: required, as owner/name"))
}

/// Images with the parts that their fields give them; `image_input` is what image models call their references.
/// Their fields are named in full.
fn decode_inputs(input: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let mut images = one_image(input, "image", Role::FirstFrame)?;
    images.extend(one_image(input, "last_frame", Role::LastFrame)?);
    images.extend(inputs::images(input, &["reference_images", "image_input"], Some(Role::Reference))?);
    for image in &mut images {
        image.field = format!("{INPUT}.{}", image.field);
    }
    Ok(images)
}

fn one_image(input: &mut Fields<'_>, name: &str, role: Role) -> Result<Vec<DraftInput>, Failure> {
    let images = inputs::images(input, &[name], Some(role))?;
    match images.len() {
        0 | 1 => Ok(images),
        count => Err(Failure::invalid(name, format!("{name}: {count} images given, it takes one"))),
    }
}

fn decode_output(input: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    Ok(OutputSpec {
        aspect_ratio: input.text("aspect_ratio")?,
        resolution: input.text("resolution")?.map(|text| text.to_ascii_lowercase()),
        size: input.text("size")?,
        duration_s: input.seconds("duration")?,
        seed: input.whole("seed")?,
        ..OutputSpec::default()
    })
}

fn prediction(task: &Task, links: &Links) -> Prediction {
    let (status, error) = standing(&task.state);
    let url = format!("{}/v1/predictions/{}", links.base_url, task.id);
    let input = Input::of(&task.request, &links.base_url);
    Prediction {
        id: task.id.as_str().to_owned(),
        model: names::name_of(&task.request.model),
        version: VERSION.to_owned(),
        input: serde_json::to_value(input).expect("texts and numbers encode"),
        output: output(&task.state, &links.base_url),
        error: error.map_or(Value::Null, Value::from),
        logs: String::new(),
        metrics: metrics(task),
        status: status.to_owned(),
        urls: Urls { cancel: format!("{url}/cancel"), get: url },
        created_at: rfc3339::text(task.created_at),
        started_at: task.started_at().map(rfc3339::text),
        completed_at: task.state.ended_at().map(rfc3339::text),
    }
}

/// The word of `status`, and the reason of a failure.
fn standing(state: &TaskState) -> (&'static str, Option<&str>) {
    match state {
        TaskState::Queued => (status::STARTING, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::PROCESSING, None),
        TaskState::Succeeded { .. } => (status::SUCCEEDED, None),
        TaskState::Failed { failure, .. } => (status::FAILED, Some(&failure.public)),
        TaskState::Cancelled { .. } => (status::CANCELED, None),
        TaskState::Expired { .. } => (status::FAILED, Some("the task was not finished before its deadline")),
    }
}

/// One URL as a text, several as a list.
fn output(state: &TaskState, base_url: &str) -> Value {
    let TaskState::Succeeded { outputs, .. } = state else { return Value::Null };
    let urls: Vec<String> = outputs.iter().map(|output| output.url(base_url)).collect();
    match &urls[..] {
        [url] => Value::from(url.as_str()),
        _ => Value::from(urls),
    }
}

fn metrics(task: &Task) -> Metrics {
    let TaskState::Succeeded { at, .. } = task.state else { return Metrics::default() };
    let until_end = |from: Timestamp| at.since(from).as_secs_f64();
    Metrics { predict_time: task.started_at().map(until_end), total_time: Some(until_end(task.created_at)) }
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
