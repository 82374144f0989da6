//! Holds each client to its requests a minute.

use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{Client, Failure, FailureKind};
use http::Request;
use limits::{LimitKey, Limiter, Rate, RateVerdict};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct ClientLimitsLayer {
    limiter: Arc<dyn Limiter>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct ClientLimits<S> {
    inner: S,
    limiter: Arc<dyn Limiter>,
}

impl ClientLimitsLayer {
    /// Counts by `limiter`.
    pub(crate) fn new(limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter }
    }
}

impl<S> Layer<S> for ClientLimitsLayer {
    type Service = ClientLimits<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientLimits { inner, limiter: Arc::clone(&self.limiter) }
    }
}

impl<S, B> Service<Request<B>> for ClientLimits<S>
where
    S: Service<Request<B>, Response = Answer, Error = Failure, Future: Send + 'static>,
    S: Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = RequestContext::of(&request).clone();
        // The one that is ready, and another one for the next request.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let limiter = Arc::clone(&self.limiter);
        Box::pin(async move {
            if let Some(client) = context.client() {
                count(&*limiter, client, &context).await?;
            }
            inner.call(request).await
        })
    }
}

async fn count(limiter: &dyn Limiter, client: &Client, context: &RequestContext) -> Result<(), Failure> {
    let per_minute = client.limits.requests_per_minute;
    let rate = match client.limits.requests_burst {
        Some(burst) => Rate::with_burst(per_minute, burst),
        None => Rate::per_minute(per_minute),
    };
    match limiter.check(&[(LimitKey::Client(client.owner.clone()), rate)]).await {
        RateVerdict::Allowed(standing) => {
            if let Some(standing) = standing {
                context.set_limit(standing.status);
            }
            Ok(())
        }
        RateVerdict::Refused { by, retry_after } => {
            context.set_limit(by.status);
            let text = format!("too many requests: this key may make {per_minute} a minute");
            Err(Failure::new(FailureKind::RateLimited, text).with_retry_after(retry_after))
        }
        RateVerdict::Unavailable { retry_after } => {
            let text = "the gateway cannot count requests right now, nothing was accepted";
            Err(Failure::new(FailureKind::Overloaded, text).with_retry_after(retry_after))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ClientLimits as Limits, OwnerId};
    use limits::LocalLimiter;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    #[tokio::test]
    async fn a_client_may_use_its_limit_and_no_more() {
        let inner = service_fn(|_| async { Ok::<_, Failure>(Answer::default()) });
        let layer = ClientLimitsLayer::new(Arc::new(LocalLimiter::new(10)));
        let service = ServiceBuilder::new().layer(layer).service(inner);
        let ask = async |owner: &str| {
            let request = matched("GET", "/v2/videos/generations/x");
            let context = RequestContext::of(&request).clone();
            let limits = Limits { requests_per_minute: 2, ..Limits::default() };
            let owner = OwnerId::new(owner);
            context.set_client(Client { owner, limits, dialect: None, access: Arc::default() });
            (service.clone().oneshot(request).await, context.limit().unwrap().remaining)
        };
        assert!(matches!(ask("a").await, (Ok(_), 1)));
        assert!(matches!(ask("a").await, (Ok(_), 0)));
        let (Err(failure), 0) = ask("a").await else { panic!("the limit is used up") };
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert!(failure.retry_after.is_some());
        assert!(matches!(ask("b").await, (Ok(_), 1)), "another client has a limit of its own");
    }

    #[tokio::test]
    async fn what_is_public_is_not_counted() {
        let inner = service_fn(|_| async { Ok::<_, Failure>(Answer::default()) });
        let layer = ClientLimitsLayer::new(Arc::new(LocalLimiter::new(10)));
        let request = matched("GET", "/assets/a.png");
        let context = RequestContext::of(&request).clone();
        assert!(ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await.is_ok());
        assert!(context.limit().is_none());
    }
}
