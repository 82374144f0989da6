//! The handlers: decode, let the task service do it, encode. Generic over dialects.

mod asset;
mod base_url;
mod creating;
mod events;
mod route_header;
mod waiting;

use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::{Call, Client, Failure, FailureKind, Reply, Scope, TaskId, TaskState, Timestamp};
use http::{HeaderMap, Method, Request};
use tasks::TaskService;
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;
use translation::{Cancelled, Dialect, Endpoint, Intent, Links, PathParams, Wait};

pub(crate) use base_url::BaseUrl;
pub(crate) use events::EventBounds;
pub(crate) use waiting::{PREFERENCE_APPLIED, WaitBounds};

use crate::Draining;
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
    /// What can be done.
    pub(crate) tasks: TaskService,
    /// What links in replies begin with.
    pub(crate) base_url: BaseUrl,
    /// Ends what would go on for long.
    pub(crate) draining: Draining,
    /// The bounds of replies that wait for their task.
    pub(crate) waits: WaitBounds,
    /// The bounds of event streams.
    pub(crate) events: EventBounds,
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

/// What a client wants, and what is still needed of its request.
struct Wanted {
    intent: Intent,
    wait: Wait,
    headers: HeaderMap,
    /// Kept until the body is no longer needed.
    room: Option<OwnedSemaphorePermit>,
}

/// Where and how to answer.
struct Answering<'a> {
    context: &'a RequestContext,
    links: Links,
}

impl Answering<'_> {
    fn client(&self) -> Result<&Client, Failure> {
        let missing = || Failure::new(FailureKind::Unauthorized, "missing or invalid API key");
        self.context.client().ok_or_else(missing)
    }

    /// In whose words; a task that was made through another API may have changed that.
    fn endpoint(&self) -> Result<(&'static dyn Dialect, &'static Endpoint), Failure> {
        let matched = self.context.matched();
        match &matched.target {
            Target::Endpoint { endpoint, .. } => Ok((matched.dialect, *endpoint)),
            _ => Err(Failure::internal("only an endpoint has an answer of a dialect")),
        }
    }
}

impl Handlers {
    async fn answer(self, request: Request<WholeBody>) -> Result<Answer, Failure> {
        let context = RequestContext::of(&request).clone();
        if let Target::Asset(file) = &context.matched().target {
            return asset::answer(&self.tasks, file, asset::without_body(&request)).await;
        }
        if let Target::Callback(token) = &context.matched().target {
            let (call, _room) = into_call(request);
            self.tasks.upstream_called(token, &call).await?;
            return Ok(Answer::default());
        }
        let base_url = self.base_url.of(&request);
        let asked = asset::without_body(&request);
        let (call, room) = into_call(request);
        look_at_body(&context, &call).await?;
        let matched = context.matched();
        let Target::Endpoint { endpoint, params } = &matched.target else {
            return Err(Failure::internal("rescue refuses what has no handler"));
        };
        let (dialect, params) = (matched.dialect, params.clone());
        let wanted = decode(Asked { dialect, endpoint, params, call, room }).await?;
        let Wanted { intent, wait, headers, room } = wanted;
        let answering = Answering { context: &context, links: Links { base_url, now: now(), headers } };
        let reply = match intent {
            Intent::Create(draft) => self.create(&answering, *draft, wait, room).await?,
            Intent::Derive(draft) => self.derive(&answering, *draft).await?,
            Intent::Upload(upload) => self.upload(&answering, *upload, room).await?,
            Intent::Content { id, index } => {
                let task = self.tasks.get(answering.client()?, &id, None).await?;
                return asset::content(&self.tasks, &task, index, asked).await;
            }
            Intent::Events { id, scope, seen } => return self.events(&answering, (&id, scope), seen).await,
            Intent::Get { id, scope } => self.get(&answering, (&id, scope), wait).await?,
            other => self.read(&answering, other).await?,
        };
        Ok(into_answer(reply))
    }

    /// How a task stands, where the client's API wants it so with the results themselves.
    async fn get(
        &self,
        answering: &Answering<'_>,
        (id, scope): (&TaskId, Option<Scope>),
        wait: Wait,
    ) -> Result<Reply, Failure> {
        failpoints::pass("create_answered");
        let task = self.tasks.get(answering.client()?, id, scope).await?;
        answering.context.prefer_maker(&task.dialect);
        let (dialect, endpoint) = answering.endpoint()?;
        if wait == Wait::ForMedia && matches!(task.state, TaskState::Succeeded { .. }) {
            // What is too large or cannot be read just now can be read by its URL.
            let media = self.tasks.read_results(&task).await;
            return Ok(dialect.encode_result(endpoint, &task, &media, &answering.links));
        }
        let Wait::UpTo(at_most) = wait else {
            return Ok(dialect.encode_task(endpoint, &task, &answering.links));
        };
        let waited = self.wait_while_open(answering, task, at_most).await;
        Ok(waited.noted(dialect.encode_task(endpoint, &waited.task, &waited.links)))
    }

    /// What needs nothing of the body.
    async fn read(&self, answering: &Answering<'_>, intent: Intent) -> Result<Reply, Failure> {
        let links = &answering.links;
        match intent {
            Intent::List(query) => {
                let page = self.tasks.list(answering.client()?, query).await?;
                let (dialect, endpoint) = answering.endpoint()?;
                Ok(dialect.encode_list(endpoint, &page, links))
            }
            Intent::Cancel(id) => {
                let (task, too_late) = self.tasks.cancel(answering.client()?, &id).await?;
                let (dialect, endpoint) = answering.endpoint()?;
                Ok(dialect.encode_cancelled(endpoint, &Cancelled { task: &task, too_late }, links))
            }
            Intent::Delete(id) => {
                self.tasks.forget(answering.client()?, &id).await?;
                let (dialect, endpoint) = answering.endpoint()?;
                Ok(dialect.encode_deleted(endpoint, &id))
            }
            Intent::Models => Ok(answering.endpoint()?.0.encode_models(&self.tasks.models())),
            Intent::Create(_)
            | Intent::Derive(_)
            | Intent::Upload(_)
            | Intent::Get { .. }
            | Intent::Events { .. }
            | Intent::Content { .. } => Err(Failure::internal(
                "what makes something, waits, or may hold media, is answered elsewhere",
            )),
        }
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

/// Whose request it is, where only the body tells.
async fn look_at_body(context: &RequestContext, call: &Call) -> Result<(), Failure> {
    if call.body.len() <= DECODED_INLINE_BYTES_MAX {
        context.prefer_by_body(&call.body);
        return Ok(());
    }
    let (context, body) = (context.clone(), call.body.clone());
    let looked = tokio::task::spawn_blocking(move || context.prefer_by_body(&body)).await;
    looked.map_err(|error| Failure::internal(format!("looking at a body: {error}")))
}

async fn decode(asked: Asked) -> Result<Wanted, Failure> {
    let is_long = asked.call.body.len() > DECODED_INLINE_BYTES_MAX;
    let decode = move || {
        let Asked { dialect, endpoint, params, call, room } = asked;
        let wait = dialect.wait(endpoint, &call);
        let intent = dialect.decode(endpoint, &params, &call)?;
        Ok(Wanted { intent, wait, headers: call.headers, room })
    };
    if !is_long {
        return decode();
    }
    let decoded = tokio::task::spawn_blocking(decode).await;
    decoded.map_err(|error| Failure::internal(format!("decoding a request: {error}")))?
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
        media: Vec::new(),
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
