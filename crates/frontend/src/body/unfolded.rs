//! A body whose pieces are made one after the other, each when the client has room for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

/// The next piece and what is left after it; nothing at the end.
pub(crate) type Making<S> = Pin<Box<dyn Future<Output = Option<(Bytes, S)>> + Send>>;

/// The body.
pub(crate) struct Unfolded<S> {
    make: fn(S) -> Making<S>,
    /// Absent at the end.
    making: Option<Making<S>>,
}

impl<S> Unfolded<S> {
    /// What `make` makes of `seed`, and then of what it leaves.
    pub(crate) fn new(seed: S, make: fn(S) -> Making<S>) -> Self {
        Self { make, making: Some(make(seed)) }
    }
}

impl<S> Body for Unfolded<S> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(making) = &mut self.making else { return Poll::Ready(None) };
        let made = std::task::ready!(making.as_mut().poll(cx));
        let make = self.make;
        let (piece, left) = made.unzip();
        self.making = left.map(make);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn count_down(left: u8) -> Making<u8> {
        Box::pin(async move { (left > 0).then(|| (Bytes::from(vec![b'0' + left]), left - 1)) })
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_the_end_stays_the_end() {
        let mut body = Unfolded::new(3, count_down);
        let pieces = (&mut body).collect().await.unwrap().to_bytes();
        assert_eq!(pieces, "321");
        assert!(body.frame().await.is_none());
    }
}
