//! Bounds the time that a request may take on our side. The clock stands still while the client's body arrives: that
//! has bounds of its own, and a large upload over a slow line is not our delay.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::{Failure, FailureKind};
use http::Request;
use tokio::time::{Instant, sleep_until};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// When a client whose request took too long may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The layer.
#[derive(Clone)]
pub(crate) struct DeadlineLayer {
    timeout: Duration,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Deadline<S> {
    inner: S,
    timeout: Duration,
}

/// The time that a request has left.
pub(crate) struct Countdown(Mutex<Left>);

#[derive(Clone, Copy)]
enum Left {
    Until(Instant),
    Standing(Duration),
}

impl Countdown {
    fn new(timeout: Duration) -> Self {
        Self(Mutex::new(Left::Until(Instant::now() + timeout)))
    }

    /// Stops the clock until the guard is dropped.
    pub(crate) fn pause(&self) -> Paused<'_> {
        self.change(|left| match left {
            Left::Until(at) => Left::Standing(at.saturating_duration_since(Instant::now())),
            standing @ Left::Standing(_) => standing,
        });
        Paused(self)
    }

    fn ends_at(&self) -> Option<Instant> {
        match self.change(|left| left) {
            Left::Until(at) => Some(at),
            Left::Standing(_) => None,
        }
    }

    fn change(&self, change: impl FnOnce(Left) -> Left) -> Left {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = change(*left);
        *left
    }
}

/// While it lives, the clock stands still.
pub(crate) struct Paused<'a>(&'a Countdown);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.change(|left| match left {
            Left::Standing(rest) => Left::Until(Instant::now() + rest),
            running @ Left::Until(_) => running,
        });
    }
}

impl DeadlineLayer {
    /// Allows `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, timeout: self.timeout }
    }
}

impl<S, B> Service<Request<B>> for Deadline<S>
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
        let context = RequestContext::of(&request).clone();
        context.set_countdown(Countdown::new(self.timeout));
        let answering = self.inner.call(request);
        Box::pin(in_time(answering, context))
    }
}

async fn in_time<F>(answering: F, context: RequestContext) -> Result<Answer, Failure>
where
    F: Future<Output = Result<Answer, Failure>>,
{
    let mut answering = std::pin::pin!(answering);
    let mut alarm = std::pin::pin!(sleep_until(Instant::now()));
    std::future::poll_fn(|cx| {
        // The inner future is polled first, because it is what moves the deadline.
        if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        let Some(ends_at) = context.countdown().and_then(Countdown::ends_at) else { return Poll::Pending };
        if alarm.deadline() != ends_at {
            alarm.as_mut().reset(ends_at);
        }
        alarm.as_mut().poll(cx).map(|()| Err(too_late()))
    })
    .await
}

/// Does not say that nothing was accepted: a task may have been stored at the last moment.
fn too_late() -> Failure {
    Failure::new(FailureKind::Overloaded, "the gateway did not answer in time").with_retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    /// What becomes of a request that works for so long, and waits for its client before that.
    async fn outcome(waiting_s: u64, working_s: u64) -> Result<Answer, Failure> {
        let inner = service_fn(move |request: Request<_>| async move {
            let paused = RequestContext::of(&request).countdown().unwrap().pause();
            sleep(Duration::from_secs(waiting_s)).await;
            drop(paused);
            sleep(Duration::from_secs(working_s)).await;
            Ok(Answer::default())
        });
        let service = ServiceBuilder::new().layer(DeadlineLayer::new(Duration::from_secs(10))).service(inner);
        service.oneshot(matched("GET", "/v2/videos/generations/x")).await
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_time_is_bounded() {
        assert!(outcome(0, 9).await.is_ok());
        assert_eq!(outcome(0, 11).await.err().unwrap().kind, FailureKind::Overloaded);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clients_time_does_not_count() {
        assert!(outcome(1000, 9).await.is_ok());
        assert!(outcome(1000, 11).await.is_err());
    }
}
