//! The only place where error replies are made: every failure, overload and panic of the layers inside leaves in the
//! shape of the caller's dialect.

use domain::{Failure, Reply};
use http::Request;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct RescueLayer;

/// The service. It has no errors.
#[derive(Clone)]
pub(crate) struct Rescue<S> {
    inner: S,
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { inner }
    }
}

impl<S, B> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Answer, Error = Failure, Future: Send + 'static>,
    S: Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Answer;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Answer, Self::Error>;

    /// Always ready: what is inside sheds load, it does not make callers wait.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = RequestContext::of(&request).clone();
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let answering = async move {
                match RequestContext::of(&request).matched().refusal() {
                    Some(refusal) => Err(refusal),
                    None => {
                        std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
                        inner.call(request).await
                    }
                }
            };
            Ok(match Guarded(Box::pin(answering)).await {
                Ok(answer) => answer,
                Err(failure) => refusal(&context, &failure),
            })
        })
    }
}

/// Turns a panic of the future into a failure. What it was working on is dropped with it, so that nothing broken is
/// seen by others.
struct Guarded(BoxFuture<Answer, Failure>);

impl Future for Guarded {
    type Output = Result<Answer, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(Failure::internal(panic_text(&*panic)))))
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", said.unwrap_or("(no text)"))
}

/// The reply that a failure becomes; what only the operator may see of it goes into the log.
fn refusal(context: &RequestContext, failure: &Failure) -> Answer {
    if !failure.internal.is_empty() {
        tracing::warn!(kind = ?failure.kind, internal = failure.internal, "request failed");
    }
    let Reply { status, headers, body } = context.matched().dialect.encode_failure(failure);
    let mut answer = Answer::new(body.into());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::FailureKind;
    use http::{StatusCode, header};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::{bytes, matched};

    async fn rescued(path: &str, failure: fn() -> Failure) -> (Answer, serde_json::Value) {
        let inner = service_fn(move |_| async move { Err::<Answer, _>(failure()) });
        let service = ServiceBuilder::new().layer(RescueLayer).service(inner);
        let answer = service.oneshot(matched("GET", path)).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = bytes(Answer::new(body)).await;
        (Answer::from_parts(head, Default::default()), serde_json::from_slice(&body).unwrap())
    }

    const TASK: &str = "/v2/videos/generations/x";

    #[tokio::test]
    async fn a_panic_leaves_in_the_callers_shape_and_says_nothing() {
        let (answer, body) = rescued(TASK, || panic!("secret detail")).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error"]["message"], "internal error");
        assert!(!body.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn a_failure_leaves_with_its_public_text_only() {
        let failure = || Failure::new(FailureKind::Unauthorized, "no key").with_internal("secret detail");
        let (answer, body) = rescued(TASK, failure).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body["error"]["message"], "no key");
        assert!(!body.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn overload_says_when_to_come_back() {
        let full = || Failure::new(FailureKind::Overloaded, "full").with_retry_after(Duration::from_secs(1));
        let (answer, body) = rescued(TASK, full).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(body["error"]["message"], "full");
    }

    #[tokio::test]
    async fn an_unknown_path_is_refused_without_asking_further() {
        let (answer, _) = rescued("/nowhere", || panic!("nobody asks")).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
