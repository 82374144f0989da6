//! kie's API as clients speak it to us: every answer is HTTP 200, and the body's `code` says how it went.

use domain::{Call, Failure, FailureKind, Reply, Task, TaskId};
use http::{Method, StatusCode, header};

use super::Kie;
use super::draft::{decode_4k, decode_1080p, decode_job, decode_veo};
use super::more_wire::{StoredFile, Uploaded};
use super::standing::{enlarged, job_record, record, said, standing};
use super::told;
use super::wire::{Envelope, GET_4K, GET_1080P, NAME, Submitted, UPLOAD_STREAM};
use crate::{
    Action, Dialect, Endpoint, Intent, Links, ModelListing, PathParams, Upload, answer, rfc3339, upload, web,
};

const VEO_CREATE: &str = "/api/v1/veo/generate";
const VEO_GET: &str = "/api/v1/veo/record-info";
const JOB_CREATE: &str = "/api/v1/jobs/createTask";
const JOB_GET: &str = "/api/v1/jobs/recordInfo";
const UPLOAD_BASE64: &str = "/api/file-base64-upload";
const UPLOAD_URL: &str = "/api/file-url-upload";

static ENDPOINTS: [Endpoint; 10] = [
    Endpoint { method: Method::POST, path: VEO_CREATE, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: VEO_GET, action: Action::Get, public: false },
    Endpoint { method: Method::POST, path: JOB_CREATE, action: Action::Create, public: false },
    Endpoint { method: Method::GET, path: JOB_GET, action: Action::Get, public: false },
    Endpoint { method: Method::GET, path: GET_1080P, action: Action::Derive, public: false },
    Endpoint { method: Method::POST, path: GET_4K, action: Action::Derive, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_STREAM, action: Action::Upload, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_BASE64, action: Action::Upload, public: false },
    Endpoint { method: Method::POST, path: UPLOAD_URL, action: Action::Upload, public: false },
    // kie's own list is a page of its documents; a gateway's list has another content.
    Endpoint { method: Method::GET, path: "/v1/models", action: Action::Models, public: true },
];

impl Dialect for Kie {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    fn decode(&self, endpoint: &Endpoint, _params: &PathParams, call: &Call) -> Result<Intent, Failure> {
        match endpoint.action {
            Action::Create if endpoint.path == JOB_CREATE => {
                Ok(Intent::Create(Box::new(decode_job(&call.body)?)))
            }
            Action::Create => Ok(Intent::Create(Box::new(decode_veo(&call.body)?))),
            Action::Get => match web::query_value(&call.query, "taskId") {
                id if id.is_empty() => Err(Failure::invalid("taskId", "taskId: required in the query")),
                id => Ok(Intent::Get { id: TaskId::new(id), scope: None }),
            },
            Action::Derive if endpoint.path == GET_4K => Ok(Intent::Derive(Box::new(decode_4k(&call.body)?))),
            Action::Derive => Ok(Intent::Derive(Box::new(decode_1080p(&call.query)?))),
            Action::Upload => {
                let names = &["fileName"];
                let file = match endpoint.path {
                    UPLOAD_STREAM => upload::of_form(call, "file", names),
                    UPLOAD_BASE64 => upload::of_json(call, "base64Data", names),
                    _ => upload::of_json(call, "fileUrl", names),
                };
                Ok(Intent::Upload(Box::new(file?)))
            }
            Action::Models => Ok(Intent::Models),
            _ => Err(endpoint.undeclared()),
        }
    }

    fn encode_created(&self, _endpoint: &Endpoint, task: &Task, _links: &Links) -> Reply {
        said("success", Submitted { task_id: task.id.as_str().to_owned() })
    }

    fn encode_task(&self, endpoint: &Endpoint, task: &Task, links: &Links) -> Reply {
        if matches!(endpoint.path, GET_1080P | GET_4K) {
            return enlarged(endpoint.path, task, links);
        }
        let standing = standing(&task.state);
        // Clients print it when a task has failed.
        let text = standing.failure.map_or("success", |(_, reason)| reason);
        if endpoint.path == JOB_GET {
            return said(text, job_record(task, &standing, links));
        }
        said(text, record(task, &standing, links))
    }

    fn encode_callback(&self, task: &Task, links: &Links) -> Reply {
        told::encode_callback(task, links)
    }

    fn encode_upload(&self, _endpoint: &Endpoint, upload: &Upload, _links: &Links) -> Reply {
        let Upload { id, url, name, media_type, bytes, created_at, expires_at } = upload;
        let data = StoredFile {
            file_id: id,
            file_name: name,
            file_path: name,
            file_url: url,
            download_url: url,
            file_size: *bytes,
            mime_type: media_type,
            uploaded_at: rfc3339::text(*created_at),
            expires_at: rfc3339::text(*expires_at),
        };
        let body = Uploaded { success: true, code: 200, msg: "File uploaded successfully", data };
        answer::json(StatusCode::OK, &body)
    }

    fn encode_models(&self, models: &[ModelListing]) -> Reply {
        answer::models(models)
    }

    fn encode_failure(&self, failure: &Failure) -> Reply {
        let code = code_of(failure.kind);
        let body = Envelope::<()> {
            code: Some(code.as_u16().into()),
            msg: failure.public.clone(),
            message: failure.public.clone(),
            data: None,
        };
        let mut reply = answer::failure(code, failure, &body);
        reply.status = StatusCode::OK;
        reply.headers.remove(header::WWW_AUTHENTICATE);
        reply
    }
}

/// The body's `code` of an error, out of kie's list. Faults of upstreams are never 401 or 402: the client's key is fine.
fn code_of(kind: FailureKind) -> StatusCode {
    use FailureKind as K;
    /// Not a status of HTTP.
    fn own(code: u16) -> StatusCode {
        StatusCode::from_u16(code).expect("three digits")
    }
    match kind {
        K::ContentPolicy => StatusCode::BAD_REQUEST,
        K::Unauthorized => StatusCode::UNAUTHORIZED,
        K::MethodNotAllowed => StatusCode::NOT_FOUND,
        // A task that is not there is a wrong value of `taskId`.
        K::NotFound
        | K::InvalidRequest
        | K::KeyReused
        | K::ModelNotFound
        | K::BodyTooLarge
        | K::RequestTimeout => StatusCode::UNPROCESSABLE_ENTITY,
        K::OutOfBudget => StatusCode::PAYMENT_REQUIRED,
        K::RateLimited | K::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
        K::Overloaded | K::UpstreamAuth | K::UpstreamQuota | K::UpstreamBusy | K::NoRoute => own(455),
        K::StillRunning => StatusCode::BAD_REQUEST,
        K::Internal | K::OutcomeUnknown | K::Expired => StatusCode::INTERNAL_SERVER_ERROR,
        K::UpstreamRejected | K::GenerationFailed => own(501),
    }
}
