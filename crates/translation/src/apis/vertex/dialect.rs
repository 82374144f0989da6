//! Veo through Vertex AI as clients speak it to us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{Call, Draft, Failure, Output, OutputMedia, Reply, Scope, Task, TaskId, TaskState, Vendor};
use http::{HeaderMap, Method, StatusCode};

use super::Vertex;
use super::wire::{Model, ModelList, NAME, PARENT, Response, Video};
use crate::fields::Fields;
use crate::google::wire::Operation;
use crate::google::{draft, errors};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Wait, answer, key, web};

/// The header of a client's key, for clients that have no access token.
const KEY: &str = "x-goog-api-key";
/// What a response of this API is.
const RESPONSE: &str = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse";
/// The field that names an operation.
const OPERATION_NAME: &str = "operationName";
/// What all results are.
const MP4: &str = "video/mp4";

const fn create(path: &'static str) -> Endpoint {
    Endpoint { method: Method::POST, path, action: Action::Create, public: false }
}

const fn fetch(path: &'static str) -> Endpoint {
    Endpoint { method: Method::POST, path, action: Action::Get, public: false }
}

static ENDPOINTS: [Endpoint; 10] = [
    create("/v1/projects/{project}/locations/{location}/publishers/google/models/{model}:predictLongRunning"),
    create(
        "/v1beta1/projects/{project}/locations/{location}/publishers/google/models/{model}:predictLongRunning",
    ),
    create("/v1/publishers/google/models/{model}:predictLongRunning"),
    create("/v1beta1/publishers/google/models/{model}:predictLongRunning"),
    fetch(
        "/v1/projects/{project}/locations/{location}/publishers/google/models/{model}:fetchPredictOperation",
    ),
    fetch(
        "/v1beta1/projects/{project}/locations/{location}/publishers/google/models/{model}:fetchPredictOperation",
    ),
    fetch("/v1/publishers/google/models/{model}:fetchPredictOperation"),
    fetch("/v1beta1/publishers/google/models/{model}:fetchPredictOperation"),
    Endpoint {
        method: Method::GET,
        path: "/v1/publishers/google/models",
        action: Action::Models,
        public: false,
    },
    Endpoint {
        method: Method::GET,
        path: "/v1beta1/publishers/google/models",
        action: Action::Models,
        public: false,
    },
];

impl Dialect for Vertex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create => Ok(Intent::Create(Box::new(decode_draft(params, &call.body)?))),
            Action::Get => Ok(Intent::Get { id: decode_name(&call.body)?, scope: Some(Scope::Videos) }),
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, &[], links)
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, &[], links)
    }

    /// Clips stand in the reply to a poll: clients that name no bucket look for them there.
    fn wait(&self, endpoint: &Endpoint, _call: &Call) -> Wait {
        if endpoint.action == Action::Get { Wait::ForMedia } else { Wait::No }
    }

    fn encode_result(&self, _endpoint: &Endpoint, task: &Task, media: &[Bytes], links: &Links) -> Reply {
        encode(task, media, links)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        // Others cannot be asked for here.
        let videos = models.iter().filter(|model| model.scope == Scope::Videos);
        let publisher_models = videos.map(|model| Model {
            name: format!("publishers/google/models/{}", model.name),
            version_id: "default",
        });
        answer::json(StatusCode::OK, &ModelList { publisher_models: publisher_models.collect() })
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        errors::reply(failure)
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key::in_authorization(headers, &["Bearer"]).or_else(|| key::only(headers, KEY))
    }
}

/// The draft, with the place that the path names: names of operations begin with it.
fn decode_draft(params: &PathParams, body: &[u8]) -> Result<Draft, Failure> {
    let mut draft = draft::decode(params.get("model"), body, NAME)?;
    let (project, location) = (params.get("project"), params.get("location"));
    if !project.is_empty() {
        let parent = format!("projects/{}/locations/{}", web::component(project), web::component(location));
        let vendor =
            draft.vendor.get_or_insert_with(|| Vendor { api: NAME.to_owned(), fields: Default::default() });
        vendor.fields.insert(PARENT.to_owned(), parent.into());
    }
    Ok(draft)
}

/// The task that an operation's name ends with.
fn decode_name(body: &[u8]) -> Result<TaskId, Failure> {
    let name = Fields::parse(body)?.text(OPERATION_NAME)?.unwrap_or_default();
    match name.rsplit_once("/operations/") {
        Some((_, id)) => Ok(TaskId::new(id)),
        None => Err(Failure::invalid(OPERATION_NAME, "operationName: required, as .../operations/...")),
    }
}

/// With the clips themselves if `media` holds all of them, else with their addresses.
fn encode(task: &Task, media: &[Bytes], links: &Links) -> Reply {
    let response = match &task.state {
        TaskState::Succeeded { outputs, .. } => {
            let videos = if media.len() == outputs.len() {
                outputs.iter().zip(media).map(|(output, bytes)| delivered(output, bytes)).collect()
            } else {
                outputs.iter().map(|output| kept(output, links)).collect()
            };
            Some(Response { r#type: RESPONSE, videos, ..Response::default() })
        }
        _ => None,
    };
    let operation = Operation {
        name: name(task),
        done: task.state.is_terminal(),
        error: errors::of_operation(&task.state),
        response,
    };
    answer::json(StatusCode::OK, &operation)
}

/// The name of an operation; of a task that was not made through this API, or with a key alone, without a place.
fn name(task: &Task) -> String {
    let own = task.request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let parent = own.and_then(|vendor| vendor.fields.get(PARENT)?.as_str());
    let start = parent.map(|parent| format!("{parent}/")).unwrap_or_default();
    let model = web::component(&task.request.model);
    format!("{start}publishers/google/models/{model}/operations/{}", task.id)
}

/// A clip by its address, in the field where clients look for one; no bucket is behind it.
fn kept(output: &Output, links: &Links) -> Video {
    Video { gcs_uri: output.url(&links.base_url), mime_type: mime_type(output), ..Video::default() }
}

/// The clip itself.
fn delivered(output: &Output, bytes: &Bytes) -> Video {
    Video { bytes_base64_encoded: STANDARD.encode(bytes), mime_type: mime_type(output), ..Video::default() }
}

fn mime_type(output: &Output) -> String {
    match &output.media {
        OutputMedia::Stored { media_type, .. } => media_type.clone(),
        OutputMedia::Remote { .. } => MP4.to_owned(),
    }
}
