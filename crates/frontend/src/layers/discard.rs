//! Lets a refused client see its refusal: what is left of its body is read and thrown away, within bounds.

use std::task::{Context, Poll};

use http::{Request, header};
use tower::{Layer, Service};

use crate::body::{Answer, Discard, Discarding, Wanted};

/// The layer.
#[derive(Clone)]
pub(crate) struct DiscardLayer {
    bounds: Discard,
}

/// The service.
#[derive(Clone)]
pub(crate) struct DiscardRest<S> {
    inner: S,
    bounds: Discard,
}

impl DiscardLayer {
    /// Throws away at most so much.
    pub(crate) fn new(bounds: Discard) -> Self {
        Self { bounds }
    }
}

impl<S> Layer<S> for DiscardLayer {
    type Service = DiscardRest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DiscardRest { inner, bounds: self.bounds }
    }
}

impl<S, B> Service<Request<B>> for DiscardRest<S>
where
    S: Service<Request<Discarding<B>>, Response = Answer>,
    B: Wanted,
{
    type Response = Answer;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let expects_continue = request.headers().contains_key(header::EXPECT);
        self.inner.call(request.map(|body| Discarding::new(body, self.bounds, expects_continue)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::channel::Channel;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn the_reply_leaves_at_once_and_the_body_is_read_beside_it() {
        let bounds = Discard { bytes_max: 1000, timeout: Duration::from_secs(60) };
        let refusing =
            |_: Request<Discarding<Channel<Bytes>>>| async { Ok::<_, Infallible>(Answer::default()) };
        let service = ServiceBuilder::new().layer(DiscardLayer::new(bounds)).service(service_fn(refusing));
        let (mut sender, body) = Channel::<Bytes>::new(1);
        service.oneshot(Request::new(body)).await.unwrap();
        for _ in 0..50 {
            sender.send_data(Bytes::from_static(b"0123456789")).await.unwrap();
        }
    }
}
