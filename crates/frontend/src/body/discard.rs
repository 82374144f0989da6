//! A request body that is read to its end when nobody wants it, within bounds.
//!
//! A client that is refused while it still sends would otherwise see its connection or stream reset, and never the
//! reply that says why. So the reply leaves at once, and what is left of the body is read and thrown away beside it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;

/// How much is thrown away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Discard {
    /// Bytes.
    pub(crate) bytes_max: u64,
    /// Time.
    pub(crate) timeout: Duration,
}

/// A body that is read to its end when it is dropped before.
pub(crate) struct Discarding<B: Wanted> {
    /// Absent once it is handed over.
    body: Option<B>,
    /// The client sends nothing until we begin to read, so there is nothing to throw away.
    awaits_go_ahead: bool,
    bounds: Discard,
}

/// What a body must be able to do.
pub(crate) trait Wanted: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static> Wanted for B {}

impl<B: Wanted> Discarding<B> {
    /// Takes the body of a request; with `Expect: 100-continue` the client waits for us to read.
    pub(crate) fn new(body: B, bounds: Discard, expects_continue: bool) -> Self {
        Self { body: Some(body), awaits_go_ahead: expects_continue, bounds }
    }
}

impl<B: Wanted> Body for Discarding<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.awaits_go_ahead = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Wanted> Drop for Discarding<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if self.awaits_go_ahead || body.is_end_stream() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(self.bounds.timeout, discard(body, self.bounds.bytes_max)));
        }
    }
}

async fn discard<B: Wanted>(mut body: B, bytes_max: u64) {
    let mut left = bytes_max;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::channel::Channel;

    use super::*;

    const BOUNDS: Discard = Discard { bytes_max: 100, timeout: Duration::from_secs(60) };

    /// How many chunks of ten bytes a sender gets rid of before nobody takes them any more.
    async fn taken(expects_continue: bool) -> usize {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        drop(Discarding::new(body, BOUNDS, expects_continue));
        let mut taken = 0;
        while sender.send_data(Bytes::from_static(&[0; 10])).await.is_ok() {
            taken += 1;
        }
        taken
    }

    #[tokio::test]
    async fn an_unwanted_body_is_read_up_to_the_bound() {
        let taken = taken(false).await;
        assert!((10..=12).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn a_client_that_waits_for_our_go_ahead_is_not_asked_for_its_body() {
        assert_eq!(taken(true).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unwanted_body_is_not_waited_for_without_end() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        drop(Discarding::new(body, BOUNDS, false));
        tokio::time::advance(BOUNDS.timeout + Duration::from_secs(1)).await;
        while sender.send_data(Bytes::from_static(b"0123456789")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
