//! One line and one span for each request. Never the query, a header or a body: keys and prompts are in them; and
//! never the path itself but its pattern, so that no client can write into the log.
//!
//! The span goes on with the trace of a client that sends one (W3C Trace Context). A trace of its own begins with the
//! request that makes a task, and not with the polls that follow. Either way the answer says which.

use std::task::{Context, Poll};
use std::time::Instant;

use domain::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::Body as _;
use telemetry::trace;
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Where the answer says in which trace the request was (W3C Trace Context, level 3).
pub(crate) const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

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
        let span = info_span!(
            "request",
            request_id = context.request_id(),
            trace_id = Empty,
            "otel.kind" = "server",
            "otel.name" = Empty,
            "http.request.method" = request.method().as_str(),
            "http.route" = Empty,
            "http.response.status_code" = Empty,
            "filmgate.dialect" = Empty,
            "error.type" = Empty,
        );
        if let Some(parent) = trace::is_on().then(|| traceparent(request.headers())).flatten() {
            trace::continue_from(&span, &parent);
        }
        let method = request.method().clone();
        let mut line = Line { context, method, begun: Instant::now(), answered: None, span: span.clone() };
        let answering = span.in_scope(|| self.inner.call(request));
        let answering = async move {
            let mut answer = answering.await?;
            if let Some(context) = trace::context(&line.span) {
                let says = HeaderValue::try_from(context.to_string());
                answer.headers_mut().extend(says.ok().map(|says| (TRACERESPONSE, says)));
            }
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
    span: Span,
}

impl Line {
    fn note(&mut self, answer: &Answer) {
        self.answered = Some((answer.status().as_u16(), answer.body().size_hint().exact()));
    }

    /// What the trace is told. A client's mistake is no error of ours.
    fn tell_trace(&self) {
        let span = &self.span;
        if !trace::is_recorded(span) {
            return;
        }
        let matched = self.context.matched_so_far();
        if let Some(route) = matched.map(|matched| matched.pattern) {
            span.record("otel.name", format!("{} {route}", self.method));
            span.record("http.route", route);
        }
        if let Some(matched) = matched {
            span.record("filmgate.dialect", matched.labels().0);
        }
        match self.answered {
            Some((status, _)) => {
                span.record("http.response.status_code", status);
                if status >= 500 {
                    span.record("error.type", status.to_string());
                }
            }
            None => {
                span.record("error.type", "client_left");
            }
        }
    }
}

/// Where the client's request stands in a trace, if it says so in a way that can be believed.
fn traceparent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Option<Vec<&str>> =
        headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
    TraceContext::parse(parent.to_str().ok()?, states.map(|states| states.join(",")).as_deref()).ok()
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tell_trace();
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
        for said in
            ["method=\"GET\"", "generations/{task_id}", "status=200", "bytes=3", "request_id=\"test\""]
        {
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
