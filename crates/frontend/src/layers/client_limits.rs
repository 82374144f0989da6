//! Holds each client to its requests a minute.

use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{Client, Failure, FailureKind, LimitStatus};
use http::Request;
use limits::{LimitKey, RateDecision, RateLimits};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct ClientLimitsLayer {
    rates: Arc<RateLimits>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct ClientLimits<S> {
    inner: S,
    rates: Arc<RateLimits>,
}

impl ClientLimitsLayer {
    /// Counts in `rates`.
    pub(crate) fn new(rates: Arc<RateLimits>) -> Self {
        Self { rates }
    }
}

impl<S> Layer<S> for ClientLimitsLayer {
    type Service = ClientLimits<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientLimits { inner, rates: Arc::clone(&self.rates) }
    }
}

impl<S, B> Service<Request<B>> for ClientLimits<S>
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
        let context = RequestContext::of(&request);
        if let Some(client) = context.client() {
            let (status, verdict) = count(&self.rates, client);
            context.set_limit(status);
            if let Err(failure) = verdict {
                return Box::pin(async { Err(failure) });
            }
        }
        Box::pin(self.inner.call(request))
    }
}

fn count(rates: &RateLimits, client: &Client) -> (LimitStatus, Result<(), Failure>) {
    let per_minute = client.limits.requests_per_minute;
    match rates.check(&LimitKey::Client(client.owner.clone()), per_minute) {
        RateDecision::Allowed(status) => (status, Ok(())),
        RateDecision::Denied { status, retry_after } => {
            let text = format!("too many requests: this key may make {per_minute} a minute");
            (status, Err(Failure::new(FailureKind::RateLimited, text).with_retry_after(retry_after)))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ClientLimits as Limits, OwnerId};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    #[tokio::test]
    async fn a_client_may_use_its_limit_and_no_more() {
        let inner = service_fn(|_| async { Ok::<_, Failure>(Answer::default()) });
        let layer = ClientLimitsLayer::new(Arc::new(RateLimits::new(10)));
        let service = ServiceBuilder::new().layer(layer).service(inner);
        let ask = async |owner: &str| {
            let request = matched("GET", "/v2/videos/generations/x");
            let context = RequestContext::of(&request).clone();
            let limits = Limits { requests_per_minute: 2, concurrent_tasks: 1, budget: None };
            context.set_client(Client { owner: OwnerId::new(owner), limits, dialect: None });
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
        let layer = ClientLimitsLayer::new(Arc::new(RateLimits::new(10)));
        let request = matched("GET", "/assets/a.png");
        let context = RequestContext::of(&request).clone();
        assert!(ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await.is_ok());
        assert!(context.limit().is_none());
    }
}
