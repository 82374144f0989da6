//! The handlers: decode, let the task service do it, encode. Generic over dialects.

mod asset;
mod base_url;

use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::{Call, Client, Draft, Failure, FailureKind, Reply, Task, Timestamp};
use http::{HeaderMap, Method, Request};
use tasks::TaskService;
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;
use tracing::Instrument as _;
use translation::{Dialect, Endpoint, Intent, Links, PathParams};

pub(crate) use base_url::BaseUrl;

use crate::body::Answer;
use crate::context::RequestContext;
use crate::layers::BoxFuture;
use crate::layers::whole_body::WholeBody;
use crate::routes::Target;

/// Longer bodies are decoded on a thread of their own: decoding their media would hold up other requests.
const DECODED_INLINE_BYTES_MAX: usize = 256 * 1024;

/// The innermost service: all handlers.
#[derive(Clone)]
pub(crate) struct Handlers {
    tasks: TaskService,
    base_url: BaseUrl,
}

/// What a client wants, and what is still needed of its request.
struct Wanted {
    intent: Intent,
    headers: HeaderMap,
    /// Kept until the body is no longer needed.
    room: Option<OwnedSemaphorePermit>,
}

/// A request to an endpoint of a dialect.
struct Asked {
    dialect: &'static dyn Dialect,
    endpoint: &'static Endpoint,
    params: PathParams,
    call: Call,
    /// Kept until the body is no longer needed.
    room: Option<OwnedSemaphorePermit>,
}

impl Handlers {
    /// Handlers over `tasks`, whose replies link to `base_url`.
    pub(crate) fn new(tasks: TaskService, base_url: BaseUrl) -> Self {
        Self { tasks, base_url }
    }

    async fn answer(self, request: Request<WholeBody>) -> Result<Answer, Failure> {
        let context = RequestContext::of(&request).clone();
        let matched = context.matched();
        let (endpoint, params) = match &matched.target {
            Target::Asset(file) => {
                return asset::answer(&self.tasks, file, asset::without_body(&request)).await;
            }
            Target::Endpoint { endpoint, params } => (*endpoint, params.clone()),
            Target::Unknown | Target::WrongMethod { .. } => {
                return Err(Failure::internal("rescue refuses what has no handler"));
            }
        };
        let dialect = matched.dialect;
        let base_url = self.base_url.of(&request);
        let asked = asset::without_body(&request);
        let (call, room) = into_call(request);
        let Wanted { intent, headers, room } =
            decode(Asked { dialect, endpoint, params, call, room }).await?;
        let links = Links { base_url, now: now(), headers };
        let reply = match intent {
            Intent::Create(draft) => {
                let task = self.create(client(&context)?.clone(), dialect.name(), *draft, room).await?;
                dialect.encode_created(endpoint, &task, &links)
            }
            Intent::Get { id, scope } => {
                let task = self.tasks.get(client(&context)?, &id, scope).await?;
                dialect.encode_task(endpoint, &task, &links)
            }
            Intent::Content { id, index } => {
                let task = self.tasks.get(client(&context)?, &id, None).await?;
                return asset::content(&self.tasks, &task, index, asked).await;
            }
            Intent::Models => dialect.encode_models(&self.tasks.models()),
        };
        Ok(into_answer(reply))
    }

    /// Runs on its own, so that a client that hangs up cannot stop it between storing inputs and accepting the task.
    async fn create(
        &self,
        client: Client,
        dialect: &'static str,
        draft: Draft,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Task, Failure> {
        let tasks = self.tasks.clone();
        let creating = async move {
            let _room_for_inline_media = room;
            tasks.create(&client, dialect, draft).await
        };
        let created = tokio::spawn(creating.in_current_span()).await;
        created.map_err(|error| Failure::internal(format!("accepting a task: {error}")))?
    }
}

impl Service<Request<WholeBody>> for Handlers {
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<WholeBody>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

async fn decode(asked: Asked) -> Result<Wanted, Failure> {
    let is_long = asked.call.body.len() > DECODED_INLINE_BYTES_MAX;
    let decode = move || {
        let Asked { dialect, endpoint, params, call, room } = asked;
        let intent = dialect.decode(endpoint, &params, &call)?;
        Ok(Wanted { intent, headers: call.headers, room })
    };
    if !is_long {
        return decode();
    }
    let decoded = tokio::task::spawn_blocking(decode).await;
    decoded.map_err(|error| Failure::internal(format!("decoding a request: {error}")))?
}

fn client(context: &RequestContext) -> Result<&Client, Failure> {
    let missing = || Failure::new(FailureKind::Unauthorized, "missing or invalid API key");
    context.client().ok_or_else(missing)
}

/// HEAD is asked as GET: codecs need not know it.
fn into_call(request: Request<WholeBody>) -> (Call, Option<OwnedSemaphorePermit>) {
    let (head, body) = request.into_parts();
    let call = Call {
        method: if head.method == Method::HEAD { Method::GET } else { head.method },
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.bytes,
    };
    (call, body.room)
}

fn into_answer(reply: Reply) -> Answer {
    let mut answer = Answer::new(reply.body.into());
    *answer.status_mut() = reply.status;
    *answer.headers_mut() = reply.headers;
    answer
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
