//! Counts and times requests for the operator's metrics.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Request;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;
use crate::metrics::Metrics;

/// The layer.
#[derive(Clone)]
pub(crate) struct MeasureLayer {
    metrics: Arc<Metrics>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Measure<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl MeasureLayer {
    /// Counts in `metrics`.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Measure { inner, metrics: Arc::clone(&self.metrics) }
    }
}

impl<S, B> Service<Request<B>> for Measure<S>
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
        let metrics = Arc::clone(&self.metrics);
        let under_way = metrics.request_begins();
        let begun = Instant::now();
        let context = RequestContext::of(&request).clone();
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answer = answering.await?;
            drop(under_way);
            metrics.answered(context.matched_so_far(), answer.status(), begun.elapsed());
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use prometheus::{Registry, TextEncoder};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::matched;

    #[tokio::test]
    async fn requests_are_counted_by_names_of_registries() {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).unwrap());
        let inner = service_fn(|_| async { Ok::<_, Infallible>(Answer::default()) });
        let service = ServiceBuilder::new().layer(MeasureLayer::new(metrics)).service(inner);
        for path in ["/v2/videos/generations/x", "/v2/images/generations/y", "/assets/z.png", "/nowhere"] {
            service.clone().oneshot(matched("GET", path)).await.unwrap();
        }
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "filmgate_http_requests_total{action=\"get\",dialect=\"v2\",status=\"200\"} 2",
            "filmgate_http_requests_total{action=\"asset\",dialect=\"none\",status=\"200\"} 1",
            "filmgate_http_requests_total{action=\"none\",dialect=\"none\",status=\"200\"} 1",
            "filmgate_http_request_duration_seconds_count{action=\"get\",dialect=\"v2\"} 2",
            "filmgate_http_requests_in_flight 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
