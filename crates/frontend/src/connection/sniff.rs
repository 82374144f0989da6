//! Tells HTTP/2 from HTTP/1 before either begins. The protocol detection of hyper-util reads the same bytes, but has
//! no deadline for them: a client that sends half a preface and waits would hold its connection for ever. Here they
//! are read by a future that its caller can give up, and are then replayed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes have been read.
pub(super) struct Sniffed<IO> {
    io: IO,
    first: [u8; PREFACE.len()],
    length: usize,
}

/// A connection that replays its first bytes and reports what it reads.
pub(super) struct Watched<IO> {
    sniffed: Sniffed<IO>,
    replayed: usize,
    activity: Arc<Activity>,
}

/// Reads until it is clear which protocol the client speaks: at most the 24 bytes of the preface.
pub(super) async fn sniff<IO: AsyncRead + Unpin>(mut io: IO) -> io::Result<Sniffed<IO>> {
    let mut first = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() && first[..length] == PREFACE[..length] {
        match io.read(&mut first[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
    }
    Ok(Sniffed { io, first, length })
}

impl<IO> Sniffed<IO> {
    /// Goes on from the first byte, under the eyes of `activity`.
    pub(super) fn watched(self, activity: &Arc<Activity>) -> Watched<IO> {
        if self.first[..self.length] != PREFACE[..] {
            activity.speaks_http1();
        }
        Watched { sniffed: self, replayed: 0, activity: Arc::clone(activity) }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let first = &this.sniffed.first[this.replayed..this.sniffed.length];
        if first.is_empty() {
            ready!(Pin::new(&mut this.sniffed.io).poll_read(cx, buffer))?;
        } else {
            let length = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..length]);
            this.replayed += length;
        }
        if buffer.filled().len() > before {
            this.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.sniffed.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.sniffed.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.sniffed.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sniffed.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sniffed.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn replayed(sent: &[u8]) -> io::Result<Vec<u8>> {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(sent).await?;
        drop(client);
        let activity = Arc::new(Activity::new(Duration::from_secs(1), Duration::from_secs(1)));
        let mut bytes = Vec::new();
        sniff(server).await?.watched(&activity).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    #[tokio::test]
    async fn nothing_is_lost() {
        for sent in [&b"GET / HTTP/1.1\r\n"[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore than that"] {
            match replayed(sent).await {
                Ok(bytes) => assert_eq!(bytes, sent),
                Err(error) => assert_eq!((sent, error.kind()), (&b"P"[..], io::ErrorKind::UnexpectedEof)),
            }
        }
    }

    #[tokio::test]
    async fn half_a_preface_is_not_enough() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(&PREFACE[..10]).await.unwrap();
        let mut sniffing = std::pin::pin!(sniff(server));
        let polled = std::future::poll_fn(|cx| Poll::Ready(sniffing.as_mut().poll(cx).is_pending())).await;
        assert!(polled, "its caller decides how long to wait");
        client.write_all(&PREFACE[10..]).await.unwrap();
        assert_eq!(sniffing.await.unwrap().length, PREFACE.len());
    }
}
