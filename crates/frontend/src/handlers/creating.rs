//! Requests that make something: tasks, follow-ups, files. What is made is made whether the client waits or hangs up.

use std::sync::Arc;

use domain::{Draft, DraftUpload, Failure, FailureKind, Reply, Task, TaskState, TaskTrace};
use http::{HeaderMap, HeaderName};
use tasks::Created;
use telemetry::trace;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};
use translation::{Upload, Wait};

use super::{Answering, Handlers, route_header};

/// In every API: the client's own name of its request.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is about the task of an earlier request.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

impl Handlers {
    /// A new task, and the answer at once or when it has ended.
    pub(super) async fn create(
        &self,
        answering: &Answering<'_>,
        mut draft: Draft,
        wait: Wait,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Reply, Failure> {
        let (dialect, _endpoint) = answering.endpoint()?;
        let (tasks, client) = (self.tasks.clone(), answering.client()?.clone());
        let headers = &answering.links.headers;
        let key = idempotency_key(headers)?;
        draft.preference = route_header::preference(headers, draft.preference)?;
        draft.trace = begin_trace();
        let creating = async move {
            let _room_for_inline_media = room;
            tasks.create(&client, dialect.name(), draft, key.as_deref()).await
        };
        let Created { task, replayed } = apart(creating).await?;
        let reply = self.created(answering, Arc::new(task), wait).await?;
        Ok(if replayed { reply.with_header(IDEMPOTENCY_REPLAYED, "true") } else { reply })
    }

    /// The answer to the request that made `task`.
    async fn created(
        &self,
        answering: &Answering<'_>,
        task: Arc<Task>,
        wait: Wait,
    ) -> Result<Reply, Failure> {
        let (dialect, endpoint) = answering.endpoint()?;
        let links = &answering.links;
        match wait {
            Wait::No => Ok(dialect.encode_created(endpoint, &task, links)),
            Wait::UpTo(at_most) => {
                let waited = self.wait_while_open(answering, task, at_most).await;
                Ok(waited.noted(dialect.encode_task(endpoint, &waited.task, &waited.links)))
            }
            Wait::ForResult => {
                let task = succeeded(self.wait(answering, task, self.waits.timeout).await.task)?;
                Ok(dialect.encode_result(endpoint, &task, &[], links))
            }
            Wait::ForMedia => {
                let task = succeeded(self.wait(answering, task, self.waits.timeout).await.task)?;
                let media = self.tasks.read_results(&task).await;
                Ok(dialect.encode_result(endpoint, &task, &media, links))
            }
        }
    }

    /// What is made of an earlier result, as it stands.
    pub(super) async fn derive(&self, answering: &Answering<'_>, mut draft: Draft) -> Result<Reply, Failure> {
        let (dialect, endpoint) = answering.endpoint()?;
        draft.preference = route_header::preference(&answering.links.headers, draft.preference)?;
        draft.trace = begin_trace();
        let (tasks, client) = (self.tasks.clone(), answering.client()?.clone());
        let task = apart(async move { tasks.derive(&client, dialect.name(), draft).await }).await?;
        Ok(dialect.encode_task(endpoint, &task, &answering.links))
    }

    /// A file for a later request.
    pub(super) async fn upload(
        &self,
        answering: &Answering<'_>,
        upload: DraftUpload,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Reply, Failure> {
        let (dialect, endpoint) = answering.endpoint()?;
        let (tasks, client, name) = (self.tasks.clone(), answering.client()?.clone(), upload.name.clone());
        let uploading = async move {
            let _room_for_the_file = room;
            tasks.upload(&client, upload).await
        };
        let stored = apart(uploading).await?;
        let upload = Upload {
            id: stored.id.to_string(),
            url: stored.id.url(&answering.links.base_url, &stored.media_type),
            name,
            media_type: stored.media_type,
            bytes: stored.bytes,
            created_at: stored.created_at,
            expires_at: stored.expires_at.unwrap_or(stored.created_at),
        };
        Ok(dialect.encode_upload(endpoint, &upload, &answering.links))
    }
}

/// The client's own name of its request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let refused =
        || Failure::new(FailureKind::InvalidRequest, "Idempotency-Key: must be one value of visible ASCII");
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => Ok(Some(key.to_str().map_err(|_not_ascii| refused())?.to_owned())),
        (Some(_), Some(_)) => Err(refused()),
    }
}

/// The trace of the task that the request at hand makes: the client's own, or a new one.
fn begin_trace() -> Option<TaskTrace> {
    let request = Span::current();
    trace::begin(&request);
    trace::task_of(&request)
}

/// Runs on its own, so that a client that hangs up cannot stop it half way: between storing inputs and accepting a task.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.map_err(|error| Failure::internal(format!("making something: {error}")))?
}

/// A task whose client waits for its result: what ended it otherwise is the failure of the request.
fn succeeded(task: Arc<Task>) -> Result<Arc<Task>, Failure> {
    match &task.state {
        TaskState::Succeeded { .. } => Ok(task),
        // What its upstream said is kept with the task; it is no line of the log.
        TaskState::Failed { failure, .. } => Err(Failure { internal: String::new(), ..failure.clone() }),
        TaskState::Cancelled { .. } => {
            Err(Failure::new(FailureKind::GenerationFailed, "the task was cancelled"))
        }
        TaskState::Expired { .. } => {
            Err(Failure::new(FailureKind::Expired, "the task was not finished before its deadline"))
        }
        _ => {
            let text =
                format!("the task goes on, but this reply waits no longer; read it by its id {}", task.id);
            Err(Failure::new(FailureKind::StillRunning, text))
        }
    }
}
