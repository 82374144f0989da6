//! Gives each request a name that stands in its logs and in its reply, so that a client's complaint can be found.

use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// Where the name is read and written.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer names are not taken over.
const ID_BYTES_MAX: usize = 128;

/// The layer.
#[derive(Clone)]
pub(crate) struct RequestIdLayer;

/// The service.
#[derive(Clone)]
pub(crate) struct RequestId<S> {
    inner: S,
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestId<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestId { inner }
    }
}

impl<S, B> Service<Request<B>> for RequestId<S>
where
    S: Service<Request<B>, Response = Answer, Future: Send + 'static>,
{
    type Response = Answer;
    type Error = S::Error;
    type Future = BoxFuture<Answer, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = request.headers().get(REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(fresh);
        request.extensions_mut().insert(RequestContext::new(id.clone()));
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answering.await?;
            answer.headers_mut().insert(REQUEST_ID, id);
            Ok(answer)
        })
    }
}

/// Whether a client's own name can stand in our logs: short, and of characters that mean nothing anywhere.
fn is_sane(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

fn fresh() -> HeaderValue {
    let mut text = uuid::Uuid::encode_buffer();
    HeaderValue::from_str(uuid::Uuid::now_v7().simple().encode_lower(&mut text))
        .expect("hexadecimal digits can stand in a header")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;

    async fn echoed(sent: Option<&'static str>) -> HeaderValue {
        let seen = |request: Request<()>| async move {
            let mut answer = Answer::default();
            let id = RequestContext::of(&request).request_id().parse().unwrap();
            answer.headers_mut().insert("seen", id);
            Ok::<_, Infallible>(answer)
        };
        let mut request = Request::new(());
        if let Some(sent) = sent {
            request.headers_mut().insert(REQUEST_ID, HeaderValue::from_static(sent));
        }
        let service = ServiceBuilder::new().layer(RequestIdLayer).service(service_fn(seen));
        let answer = service.oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[REQUEST_ID], answer.headers()["seen"]);
        answer.headers()[REQUEST_ID].clone()
    }

    #[tokio::test]
    async fn a_sane_name_is_kept_and_any_other_replaced() {
        assert_eq!(echoed(Some("job-17.a:b_c")).await, "job-17.a:b_c");
        for insane in ["", "a b", "a\"b", "a=b;c"] {
            assert_eq!(echoed(Some(insane)).await.len(), 32, "{insane:?}");
        }
        assert_ne!(echoed(None).await, echoed(None).await);
    }
}
