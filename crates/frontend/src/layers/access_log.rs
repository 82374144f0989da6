//! One line and one span for each request. Never the query, a header or a body: keys and prompts are in them; and
//! never the path itself but its pattern, so that no client can write into the log.

use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request};
use http_body::Body as _;
use tower::{Layer, Service};
use tracing::{Instrument as _, info_span};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct AccessLogLayer;

/// The service.
#[derive(Clone)]
pub(crate) struct AccessLog<S> {
    inner: S,
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLog<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLog { inner }
    }
}

impl<S, B> Service<Request<B>> for AccessLog<S>
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
        let span = info_span!("request", id = context.request_id());
        let mut line =
            Line { context, method: request.method().clone(), begun: Instant::now(), answered: None };
        let answering = span.in_scope(|| self.inner.call(request));
        let answering = async move {
            let answer = answering.await?;
            line.note(&answer);
            Ok(answer)
        };
        Box::pin(answering.instrument(span))
    }
}

/// Is written when it is dropped, so that a request whose client has left is logged too.
struct Line {
    context: RequestContext,
    method: Method,
    begun: Instant,
    /// Status, and bytes if they are known before they are sent.
    answered: Option<(u16, Option<u64>)>,
}

impl Line {
    fn note(&mut self, answer: &Answer) {
        self.answered = Some((answer.status().as_u16(), answer.body().size_hint().exact()));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let matched = self.context.matched_so_far();
        let (status, bytes) = self.answered.unzip();
        tracing::info!(
            target: "filmgate::access",
            request_id = self.context.request_id(),
            method = self.method.as_str(),
            path = matched.map(|matched| matched.pattern),
            dialect = matched.map(|matched| matched.labels().0),
            action = matched.map(|matched| matched.labels().1),
            status,
            bytes = bytes.flatten(),
            duration_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            "{}",
            if self.answered.is_some() { "answered" } else { "client left" },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http_body_util::Full;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};
    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;
    use crate::testing::matched;

    /// Keeps all that is logged, spans too.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<String>>);

    impl Visit for Recorder {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
        }
    }

    impl Subscriber for Recorder {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
            attributes.record(&mut self.clone());
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    fn secretive() -> Request<Full<Bytes>> {
        let mut request = matched("GET", "/v2/videos/generations/secret-id?key=secret-query");
        request.headers_mut().insert("authorization", "Bearer secret-key".parse().unwrap());
        request
    }

    #[tokio::test]
    async fn a_line_says_what_happened_and_no_secret() {
        let recorder = Recorder::default();
        let _logging = tracing::subscriber::set_default(recorder.clone());
        let inner = service_fn(|_| async { Ok::<_, Infallible>(Answer::new("abc".into())) });
        let service = ServiceBuilder::new().layer(AccessLogLayer).service(inner);
        service.oneshot(secretive()).await.unwrap();
        let log = recorder.0.lock().unwrap().clone();
        for said in ["method=\"GET\"", "generations/{task_id}", "status=200", "bytes=3", "id=\"test\""] {
            assert!(log.contains(said), "{said} in {log}");
        }
        assert!(!log.contains("secret"), "{log}");
    }

    #[tokio::test]
    async fn a_request_whose_client_has_left_is_logged() {
        let recorder = Recorder::default();
        let _logging = tracing::subscriber::set_default(recorder.clone());
        let inner =
            service_fn(|_: Request<Full<Bytes>>| std::future::pending::<Result<Answer, Infallible>>());
        let service = ServiceBuilder::new().layer(AccessLogLayer).service(inner);
        service.oneshot(secretive()).await_once().await;
        assert!(recorder.0.lock().unwrap().contains("client left"));
    }

    trait AwaitOnce: Future + Sized {
        /// Polls once and gives up.
        async fn await_once(self) {
            let mut future = Box::pin(self);
            std::future::poll_fn(|cx| {
                let _pending = future.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    impl<F: Future> AwaitOnce for F {}
}
