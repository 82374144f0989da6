//! Finds whose path it is, before anything can fail, so that even a timeout leaves in the caller's own error shape;
//! and answers HEAD wherever GET is.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, header};
use http_body::Body as _;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::{Answer, ReplyBody};
use crate::context::RequestContext;
use crate::routes::{Routes, Target};

/// The layer.
#[derive(Clone)]
pub(crate) struct MatchLayer {
    routes: Arc<Routes>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct MatchDialect<S> {
    inner: S,
    routes: Arc<Routes>,
}

impl MatchLayer {
    /// Looks up paths in `routes`.
    pub(crate) fn new(routes: Arc<Routes>) -> Self {
        Self { routes }
    }
}

impl<S> Layer<S> for MatchLayer {
    type Service = MatchDialect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MatchDialect { inner, routes: Arc::clone(&self.routes) }
    }
}

impl<S, B> Service<Request<B>> for MatchDialect<S>
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
        context.set_matched(self.routes.find(request.method(), request.uri(), request.headers()));
        let is_head = request.method() == Method::HEAD;
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answering.await?;
            if let Target::WrongMethod { allow } = &context.matched().target {
                answer.headers_mut().insert(header::ALLOW, allow.clone());
            }
            Ok(if is_head { without_body(answer) } else { answer })
        })
    }
}

/// The same reply with the length of its body in place of the body.
fn without_body(mut answer: Answer) -> Answer {
    if let Some(bytes) = answer.body().size_hint().exact() {
        answer.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(bytes));
    }
    answer.map(|_| ReplyBody::default())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::testing::{bytes, named, routes};

    async fn answer(method: &str, path: &str) -> Answer {
        let inner = service_fn(|request: Request<_>| async move {
            let pattern = RequestContext::of(&request).matched().pattern;
            Ok::<_, Infallible>(Answer::new(pattern.into()))
        });
        let service = ServiceBuilder::new().layer(MatchLayer::new(routes())).service(inner);
        service.oneshot(named(method, path)).await.unwrap()
    }

    #[tokio::test]
    async fn inner_layers_know_whose_path_it_is() {
        assert_eq!(bytes(answer("GET", "/assets/a.png").await).await, "/assets/{file}");
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(answer("PUT", "/assets/a.png").await.headers()[header::ALLOW], "GET, HEAD, OPTIONS");
    }

    #[tokio::test]
    async fn head_is_get_without_the_body() {
        let answer = answer("HEAD", "/assets/a.png").await;
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "14");
        assert!(bytes(answer).await.is_empty());
    }
}
