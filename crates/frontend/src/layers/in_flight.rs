//! Bounds the requests that are being answered at one time. One that is beyond the bound is refused at once: to let it wait
//! would only make it late. A request that waits for its task gives its place to others meanwhile; what it needs then is
//! bounded elsewhere.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::{Failure, FailureKind};
use http::Request;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// When a client that was turned away may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The layer.
#[derive(Clone)]
pub(crate) struct InFlightLayer {
    places: Arc<Semaphore>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct InFlight<S> {
    inner: S,
    places: Arc<Semaphore>,
}

/// Gives the place back when the request is answered or given up, whoever still knows its context.
struct Leaving(RequestContext);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave_flight();
    }
}

impl InFlightLayer {
    /// Allows `requests_max` at one time.
    pub(crate) fn new(requests_max: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS))) }
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight { inner, places: Arc::clone(&self.places) }
    }
}

impl<S, B> Service<Request<B>> for InFlight<S>
where
    S: Service<Request<B>, Response = Answer, Error = Failure, Future: Send + 'static>,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Box::pin(async { Err(full()) });
        };
        let context = RequestContext::of(&request).clone();
        context.enter_flight(place);
        let leaving = Leaving(context);
        let answering = self.inner.call(request);
        Box::pin(async move {
            let _leaving = leaving;
            answering.await
        })
    }
}

fn full() -> Failure {
    Failure::new(FailureKind::Overloaded, "the gateway is busy, nothing was accepted")
        .with_retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    const TASK: &str = "/v2/videos/generations/x";

    #[tokio::test]
    async fn one_too_many_is_refused_and_one_that_waits_makes_room() {
        let held = service_fn(|request: Request<_>| async move {
            if request.uri().query() == Some("waits") {
                RequestContext::of(&request).leave_flight();
            }
            std::future::pending::<Result<Answer, Failure>>().await
        });
        let service = ServiceBuilder::new().layer(InFlightLayer::new(1)).service(held);
        let mut first = Box::pin(service.clone().oneshot(matched("GET", TASK)));
        assert!(begun(&mut first).await.is_none());
        let refused = service.clone().oneshot(matched("GET", TASK)).await.err().unwrap();
        assert_eq!((refused.kind, refused.retry_after), (FailureKind::Overloaded, Some(RETRY_AFTER)));
        drop(first);
        let mut waiting = Box::pin(service.clone().oneshot(matched("GET", &format!("{TASK}?waits"))));
        assert!(begun(&mut waiting).await.is_none(), "one that was given up has made room");
        let mut next = Box::pin(service.clone().oneshot(matched("GET", TASK)));
        assert!(begun(&mut next).await.is_none(), "so has one that waits");
    }

    /// Polls once.
    async fn begun<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}
