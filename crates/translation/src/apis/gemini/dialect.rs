//! Veo through the Gemini API as clients speak it to us.

use domain::{Call, Failure, FailureKind, Reply, Scope, Task, TaskId, TaskState};
use http::{HeaderMap, Method, StatusCode};

use super::wire::{Model, ModelList, NAME, Response, Sample, Samples, Video};
use super::{Gemini, files};
use crate::google::wire::Operation;
use crate::google::{draft, errors};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, answer, key, web};

/// The header of a client's key.
const KEY: &str = "x-goog-api-key";
/// What a response of this API is.
const RESPONSE: &str = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse";
/// What can be done with a model.
const PREDICT: &str = "predictLongRunning";

/// A file's name with `:download`, or the whole address of one: what Google's clients put here if it is not https.
const DOWNLOAD: &str = "/v1beta/files/{*file}";

static ENDPOINTS: [Endpoint; 5] = [
    Endpoint {
        method: Method::POST,
        path: "/v1beta/models/{model}:predictLongRunning",
        action: Action::Create,
        public: false,
    },
    Endpoint {
        method: Method::GET,
        path: "/v1beta/models/{model}/operations/{task_id}",
        action: Action::Get,
        public: false,
    },
    // As older clients name it.
    Endpoint {
        method: Method::GET,
        path: "/v1beta/operations/{task_id}",
        action: Action::Get,
        public: false,
    },
    Endpoint { method: Method::GET, path: DOWNLOAD, action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: "/v1beta/models", action: Action::Models, public: false },
];

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match (endpoint.action, endpoint.path) {
            (Action::Create, _) => {
                Ok(Intent::Create(Box::new(draft::decode(params.get("model"), &call.body, NAME)?)))
            }
            (Action::Get, DOWNLOAD) => decode_content(params.get("file")),
            (Action::Get, _) => {
                Ok(Intent::Get { id: TaskId::new(params.get("task_id")), scope: Some(Scope::Videos) })
            }
            (Action::Models, _) => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, links)
    }

    fn encode_task(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        encode(task, links)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        // Others cannot be asked for here.
        let videos = models.iter().filter(|model| model.scope == Scope::Videos);
        let models = videos.map(|model| Model {
            name: format!("models/{}", model.name),
            display_name: &model.name,
            description: answer::description(model),
            supported_generation_methods: [PREDICT],
        });
        answer::json(StatusCode::OK, &ModelList { models: models.collect() })
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        errors::reply(failure)
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key::only(headers, KEY).or_else(|| key::in_authorization(headers, &["Bearer"]))
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(KEY)
    }
}

fn decode_content(file: &str) -> Result<Intent, Failure> {
    let found = files::name_in(file).and_then(files::parse);
    let (id, index) = found.ok_or_else(|| Failure::new(FailureKind::NotFound, "no such file"))?;
    Ok(Intent::Content { id, index })
}

fn encode(task: &Task, links: &Links) -> Reply {
    let sample = |index| {
        let uri = files::url(&links.base_url, &files::name(&task.id, index));
        Sample { video: Some(Video { uri, ..Video::default() }) }
    };
    let response = match &task.state {
        TaskState::Succeeded { outputs, .. } => {
            let generated_samples = (0..outputs.len()).map(sample).collect();
            let samples = Samples { generated_samples, ..Samples::default() };
            Some(Response { r#type: RESPONSE, generate_video_response: Some(samples) })
        }
        _ => None,
    };
    let operation = Operation {
        name: format!("models/{}/operations/{}", web::component(&task.request.model), task.id),
        done: task.state.is_terminal(),
        error: errors::of_operation(&task.state),
        response,
    };
    answer::json(StatusCode::OK, &operation)
}
