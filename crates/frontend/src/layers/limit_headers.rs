//! Tells a client where it stands with its rate limit, on every reply, so that it can slow down before it is refused.

use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct LimitHeadersLayer;

/// The service.
#[derive(Clone)]
pub(crate) struct LimitHeaders<S> {
    inner: S,
}

impl<S> Layer<S> for LimitHeadersLayer {
    type Service = LimitHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitHeaders { inner }
    }
}

impl<S, B> Service<Request<B>> for LimitHeaders<S>
where
    S: Service<Request<B>, Response = Answer, Future: Send + 'static>,
{
    type Response = Answer;
    type Error = S::Error;
    type Future = BoxFuture<Answer, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = RequestContext::of(&request).clone();
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answering.await?;
            if let Some(status) = context.limit() {
                answer.headers_mut().extend(context.matched().dialect.rate_limit_headers(status));
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use domain::LimitStatus;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    #[tokio::test]
    async fn a_reply_says_where_the_client_stands() {
        let inner = service_fn(|_| async { Ok::<_, Infallible>(Answer::default()) });
        let service = ServiceBuilder::new().layer(LimitHeadersLayer).service(inner);
        let request = matched("GET", "/v2/videos/generations/x");
        let status = LimitStatus { limit: 10, remaining: 7, reset_after: Duration::from_secs(18) };
        RequestContext::of(&request).set_limit(status);
        let limited = service.clone().oneshot(request).await.unwrap();
        assert_eq!(limited.headers()["x-ratelimit-remaining-requests"], "7");
        let stranger = service.oneshot(matched("GET", "/v2/videos/generations/x")).await.unwrap();
        assert!(stranger.headers().is_empty());
    }
}
