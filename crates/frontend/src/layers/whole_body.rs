//! Reads the body, whole: codecs are pure and want it at once. It is held to its size, to its pace, and to the bytes
//! that all requests together may hold. This stands inside of `authenticate` and `client_limits`, so that only known
//! clients within their limits get as far.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::{Failure, FailureKind};
use http::{Method, Request};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Layer, Service};

use super::BoxFuture;
use super::body_cap::too_large;
use crate::body::Answer;
use crate::context::RequestContext;
use crate::routes::Target;

/// Each byte counts twice, because decoding media that comes inside of a body copies it.
const COPIES: u64 = 2;
/// The largest body of a callback: it comes from who has no key of ours.
const CALLBACK_BYTES_MAX: u64 = 1 << 20;
/// What is reserved at a time, in bytes, so that the counts fit the semaphore.
const UNIT: u64 = 4096;
/// When a client for whose body there is no room may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bounds of one body and of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    /// The largest body.
    pub(crate) bytes_max: u64,
    /// All bodies together.
    pub(crate) buffered_bytes_max: u64,
    /// From the wish to read to the end, for a body that comes slowly.
    pub(crate) timeout: Duration,
    /// The pace that buys a longer timeout, second by second.
    pub(crate) bytes_per_second_min: u64,
}

/// A body in memory. Its room is free again when it is dropped.
pub(crate) struct WholeBody {
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// The room that it takes; absent if it is empty.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// The layer.
#[derive(Clone)]
pub(crate) struct WholeBodyLayer {
    reader: Reader,
}

/// The service.
#[derive(Clone)]
pub(crate) struct ReadWhole<S> {
    inner: S,
    reader: Reader,
}

impl WholeBodyLayer {
    /// Reads bodies within `bounds`.
    pub(crate) fn new(bounds: BodyBounds) -> Self {
        let units = usize::try_from(bounds.buffered_bytes_max / UNIT).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)));
        Self { reader: Reader { bounds, room } }
    }
}

impl<S> Layer<S> for WholeBodyLayer {
    type Service = ReadWhole<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReadWhole { inner, reader: self.reader.clone() }
    }
}

impl<S, B> Service<Request<B>> for ReadWhole<S>
where
    S: Service<Request<WholeBody>, Response = Answer, Error = Failure, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Nothing further in makes callers wait, so a clone is as ready as the original.
        let mut inner = self.inner.clone();
        let mut reader = self.reader.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let whole = match head.method {
                Method::GET | Method::HEAD => WholeBody { bytes: Bytes::new(), room: None },
                _ => {
                    let context = head.extensions.get::<RequestContext>();
                    let _client_time = context.and_then(RequestContext::countdown).map(|clock| clock.pause());
                    let is_callback = context
                        .is_some_and(|context| matches!(context.matched().target, Target::Callback(_)));
                    if is_callback {
                        reader.bounds.bytes_max = reader.bounds.bytes_max.min(CALLBACK_BYTES_MAX);
                    }
                    reader.read(body).await?
                }
            };
            inner.call(Request::from_parts(head, whole)).await
        })
    }
}

#[derive(Clone)]
struct Reader {
    bounds: BodyBounds,
    room: Arc<Semaphore>,
}

impl Reader {
    /// A body that declares its length gets all its room before it is read, so that of many at one time some succeed;
    /// one that does not gets it piece by piece. Nobody waits for room: who waited would hold what others wait for.
    async fn read<B>(&self, mut body: B) -> Result<WholeBody, Failure>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let declared = body.size_hint().exact();
        if declared.is_some_and(|declared| declared > self.bounds.bytes_max) {
            return Err(too_large(self.bounds.bytes_max));
        }
        let mut pieces = Pieces::new(self.reserve(None, declared.unwrap_or(0))?, declared);
        let begun = Instant::now();
        loop {
            let bought = Duration::from_secs(pieces.length / self.bounds.bytes_per_second_min.max(1));
            let frame = timeout_at(begun + self.bounds.timeout + bought, body.frame()).await;
            let Some(frame) = frame.map_err(|_| too_slow())? else { return Ok(pieces.joined()) };
            let Ok(data) = frame.map_err(cut_off)?.into_data() else { continue };
            pieces.length += data.len() as u64;
            if pieces.length > self.bounds.bytes_max {
                return Err(too_large(self.bounds.bytes_max));
            }
            pieces.room = self.reserve(pieces.room.take(), pieces.length)?;
            pieces.push(data);
        }
    }

    /// Room for `length` bytes, of which `held` is a part.
    fn reserve(
        &self,
        held: Option<OwnedSemaphorePermit>,
        length: u64,
    ) -> Result<Option<OwnedSemaphorePermit>, Failure> {
        let wanted = usize::try_from((length * COPIES).div_ceil(UNIT)).unwrap_or(usize::MAX);
        let missing = wanted.saturating_sub(held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if missing == 0 {
            return Ok(held);
        }
        let missing = u32::try_from(missing).map_err(|_| no_room())?;
        let more = Arc::clone(&self.room).try_acquire_many_owned(missing).map_err(|_| no_room())?;
        Ok(Some(match held {
            Some(mut held) => {
                held.merge(more);
                held
            }
            None => more,
        }))
    }
}

/// What has arrived so far. The usual small body is one piece and is never copied.
struct Pieces {
    length: u64,
    declared: Option<u64>,
    first: Bytes,
    joined: BytesMut,
    room: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    fn new(room: Option<OwnedSemaphorePermit>, declared: Option<u64>) -> Self {
        Self { length: 0, declared, first: Bytes::new(), joined: BytesMut::new(), room }
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.joined.is_empty() {
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            let capacity = self.declared.unwrap_or(self.length).max(self.length);
            self.joined.reserve(usize::try_from(capacity).unwrap_or(0));
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&data);
    }

    fn joined(self) -> WholeBody {
        let bytes = if self.joined.is_empty() { self.first } else { self.joined.freeze() };
        WholeBody { bytes, room: self.room }
    }
}

fn too_slow() -> Failure {
    Failure::new(FailureKind::RequestTimeout, "the body did not arrive in time")
}

fn no_room() -> Failure {
    Failure::new(FailureKind::Overloaded, "the gateway holds too many large requests, nothing was accepted")
        .with_retry_after(RETRY_AFTER)
}

fn cut_off(error: impl Into<BoxError>) -> Failure {
    Failure::new(FailureKind::InvalidRequest, "the body ended too early")
        .with_internal(error.into().to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use http_body_util::channel::Channel;

    use super::*;

    const BOUNDS: BodyBounds = BodyBounds {
        bytes_max: 10_000,
        buffered_bytes_max: 4 * UNIT,
        timeout: Duration::from_secs(10),
        bytes_per_second_min: 32 << 10,
    };

    fn reader() -> Reader {
        WholeBodyLayer::new(BOUNDS).reader
    }

    fn full(length: usize) -> Full<Bytes> {
        Full::new(vec![7; length].into())
    }

    #[tokio::test]
    async fn a_body_is_read_whole_in_one_piece_or_many() {
        assert_eq!(reader().read(full(100)).await.unwrap().bytes.len(), 100);
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let sending = async move {
            for piece in ["one ", "two ", "three"] {
                sender.send_data(piece.into()).await.unwrap();
            }
        };
        let reader = reader();
        let (read, ()) = tokio::join!(reader.read(body), sending);
        assert_eq!(read.unwrap().bytes, "one two three");
    }

    #[tokio::test]
    async fn a_body_that_hides_its_length_is_held_to_the_cap() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let reader = Reader { bounds: BodyBounds { bytes_max: 10, ..BOUNDS }, ..reader() };
        let sending = async move { while sender.send_data("0123".into()).await.is_ok() {} };
        let (read, ()) = tokio::join!(reader.read(body), sending);
        assert_eq!(read.err().unwrap().kind, FailureKind::BodyTooLarge);
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_bound_and_each_counts_twice() {
        let reader = reader();
        let held = reader.read(full(4096)).await.unwrap();
        let also = reader.read(full(4096)).await.unwrap();
        let failure = reader.read(full(1)).await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::Overloaded);
        assert!(failure.retry_after.is_some());
        drop(held);
        assert!(reader.read(full(4096)).await.is_ok());
        drop(also);
        assert_eq!(reader.room.available_permits(), 4, "all room is free again");
    }

    #[tokio::test]
    async fn a_refused_body_gives_its_room_back() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let reader = reader();
        let sending = async move { while sender.send_data(vec![0; 3000].into()).await.is_ok() {} };
        let (read, ()) = tokio::join!(reader.read(body), sending);
        assert_eq!(read.err().unwrap().kind, FailureKind::Overloaded);
        assert_eq!(reader.room.available_permits(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        sender.send_data("half".into()).await.unwrap();
        assert_eq!(reader().read(body).await.err().unwrap().kind, FailureKind::RequestTimeout);
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_that_keeps_coming_is_waited_for() {
        let bounds = BodyBounds { bytes_max: 10 << 20, buffered_bytes_max: 40 << 20, ..BOUNDS };
        let reader = WholeBodyLayer::new(bounds).reader;
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let sending = async move {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sender.send_data(vec![0; 64 * 1024].into()).await.unwrap();
            }
        };
        let (read, ()) = tokio::join!(reader.read(body), sending);
        assert_eq!(read.unwrap().bytes.len(), 40 * 64 * 1024);
    }
}
