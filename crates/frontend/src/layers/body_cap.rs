//! Refuses, by the head alone, bodies that would be refused anyway: too long ones, and compressed ones, which could
//! hold a thousand times what they weigh. Nothing of them is read into memory.

use std::task::{Context, Poll};

use domain::{Failure, FailureKind};
use http::{HeaderMap, Request, header};
use http_body::Body;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;

/// The layer.
#[derive(Clone)]
pub(crate) struct BodyCapLayer {
    bytes_max: u64,
}

/// The service.
#[derive(Clone)]
pub(crate) struct BodyCap<S> {
    inner: S,
    bytes_max: u64,
}

impl BodyCapLayer {
    /// Refuses more than `bytes_max`.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max }
    }
}

impl<S> Layer<S> for BodyCapLayer {
    type Service = BodyCap<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyCap { inner, bytes_max: self.bytes_max }
    }
}

impl<S, B> Service<Request<B>> for BodyCap<S>
where
    S: Service<Request<B>, Response = Answer, Error = Failure, Future: Send + 'static>,
    B: Body,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let declared = request.body().size_hint().lower();
        let verdict = if declared > self.bytes_max {
            Err(too_large(self.bytes_max))
        } else {
            check_coding(request.headers())
        };
        match verdict {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(failure) => Box::pin(async { Err(failure) }),
        }
    }
}

/// The failure of a body of more than `bytes_max`.
pub(super) fn too_large(bytes_max: u64) -> Failure {
    Failure::new(FailureKind::BodyTooLarge, format!("the body is larger than {bytes_max} bytes"))
}

fn check_coding(headers: &HeaderMap) -> Result<(), Failure> {
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.is_empty() || coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain {
        return Ok(());
    }
    Err(Failure::invalid("Content-Encoding", "Content-Encoding: send the body as it is, not compressed"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;

    async fn outcome(body: &'static [u8], coding: &str) -> Option<FailureKind> {
        let inner = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Failure>(Answer::default()) });
        let service = ServiceBuilder::new().layer(BodyCapLayer::new(4)).service(inner);
        let request = Request::builder().header(header::CONTENT_ENCODING, coding).body(Full::from(body));
        service.oneshot(request.unwrap()).await.err().map(|failure| failure.kind)
    }

    #[tokio::test]
    async fn only_short_plain_bodies_pass() {
        assert_eq!(outcome(b"four", "identity").await, None);
        assert_eq!(outcome(b"fives", "identity").await, Some(FailureKind::BodyTooLarge));
        for coding in ["gzip", "zstd", "br", "identity, gzip"] {
            assert_eq!(outcome(b"four", coding).await, Some(FailureKind::InvalidRequest), "{coding}");
        }
    }
}
