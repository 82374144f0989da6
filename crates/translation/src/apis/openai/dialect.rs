//! OpenAI's API as clients speak it to us.

mod body;
mod failure;
mod images;
mod speech;
mod videos;

use bytes::Bytes;
use domain::{Call, Failure, Reply, Scope, Task, TaskId};
use http::{HeaderMap, Method, header};

use super::OpenAi;
use super::wire::{EDITS, IMAGES, NAME, SPEECH};
use crate::{Action, Dialect, Endpoint, Intent, Links, ModelListing, Page, PathParams, Wait, answer, web};

const VIDEOS: &str = "/v1/videos";
const VIDEO: &str = "/v1/videos/{task_id}";
const CONTENT: &str = "/v1/videos/{task_id}/content";
const REMIX: &str = "/v1/videos/{task_id}/remix";

/// What the libraries of OpenAI's clients, and of no other API's here that shares a path with it, send with every call.
const LIBRARY_HEADER: &str = "x-stainless-lang";

static ENDPOINTS: [Endpoint; 10] = [
    Endpoint { method: Method::POST, path: VIDEOS, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: VIDEOS, action: Action::List, public: false },
    Endpoint { method: Method::GET, path: VIDEO, action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: CONTENT, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: REMIX, action: Action::Create, public: false },
    Endpoint { method: Method::DELETE, path: VIDEO, action: Action::Delete, public: false },
    Endpoint { method: Method::POST, path: IMAGES, action: Action::CreateAndWait, public: false },
    Endpoint { method: Method::POST, path: EDITS, action: Action::CreateAndWait, public: false },
    Endpoint { method: Method::POST, path: SPEECH, action: Action::CreateAndWait, public: false },
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        let id = TaskId::new(params.get("task_id"));
        let create = |draft| Ok(Intent::Create(Box::new(draft)));
        match (endpoint.action, endpoint.path) {
            (Action::Create, REMIX) => create(videos::decode_remix(id, call)?),
            (Action::Create, _) => create(videos::decode(call)?),
            (Action::CreateAndWait, EDITS) => create(images::decode_edit(call)?),
            (Action::CreateAndWait, SPEECH) => create(speech::decode(call)?),
            (Action::CreateAndWait, _) => create(images::decode(call)?),
            (Action::Get, CONTENT) => videos::decode_content(id, &call.query),
            (Action::Get, _) => Ok(Intent::Get { id, scope: Some(Scope::Videos) }),
            (Action::List, _) => Ok(Intent::List(videos::decode_list(&call.query)?)),
            (Action::Delete, _) => Ok(Intent::Delete(id)),
            (Action::Models, _) => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        videos::encode(task, links)
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        self.encode_result(endpoint, task, &[], links)
    }

    fn wait(&self, endpoint: &Endpoint, call: &Call) -> Wait {
        match endpoint.path {
            IMAGES | EDITS => images::wait(call),
            SPEECH => Wait::ForMedia,
            _ => Wait::No,
        }
    }

    fn encode_result(&self, endpoint: &Endpoint, task: &Task, media: &[Bytes], links: &Links) -> Reply {
        match endpoint.path {
            IMAGES | EDITS => images::encode(task, media, links),
            SPEECH => speech::encode(task, media, links),
            _ => videos::encode(task, links),
        }
    }

    fn encode_list(&self, _endpoint: &Endpoint, page: &Page, links: &Links) -> Reply {
        videos::encode_list(page, links)
    }

    fn encode_deleted(&self, _endpoint: &Endpoint, id: &TaskId) -> Reply {
        videos::encode_deleted(id)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        failure::encode(failure)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let is_client = |agent: &str| agent.starts_with("OpenAI/") || agent.starts_with("AsyncOpenAI/");
        agent.is_some_and(is_client) || headers.contains_key(LIBRARY_HEADER)
    }

    /// OpenAI has no tasks that make images: who asks for one means another API.
    fn disclaims(&self, endpoint: &Endpoint, query: &str) -> bool {
        matches!(endpoint.path, IMAGES | EDITS)
            && web::query_value(query, "async").eq_ignore_ascii_case("true")
    }

    fn recognises_body(&self, endpoint: &Endpoint, body: &[u8]) -> bool {
        match endpoint.path {
            IMAGES => images::recognises(body),
            REMIX => videos::recognises_remix(body),
            _ => false,
        }
    }
}
