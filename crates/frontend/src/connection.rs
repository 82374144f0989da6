//! One connection, from the first byte to the last. Every stage has a deadline, so that a client that is slow, silent
//! or dead holds a connection only for so long: [`sniff`] guards the start, [`Activity`] all that follows, and the
//! layers guard the request itself.

mod activity;
mod sniff;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tower::{Service, ServiceExt as _};

use crate::Draining;
use crate::body::Answer;
use crate::context::Peer;
use crate::settings::{RESET_STREAMS_MAX, SEND_BYTES_MAX, Settings};
use activity::Activity;
use sniff::sniff;

/// How often an HTTP/2 peer is asked for a sign of life, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What answers the requests of a connection.
pub(crate) trait Serves:
    Service<Request<Incoming>, Response = Answer, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serves for S where
    S: Service<Request<Incoming>, Response = Answer, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// How all connections of a listener are served.
pub(crate) struct Connections<S> {
    service: S,
    http: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    connections_max: usize,
    first_byte_timeout: Duration,
    header_timeout: Duration,
    idle_timeout: Duration,
    drain_timeout: Duration,
    draining: Draining,
}

impl<S: Serves> Connections<S> {
    /// Connections whose requests `service` answers. From when `draining` is announced, each HTTP/1 answer asks for another
    /// connection: a client that goes on with this one would meet its end.
    pub(crate) fn new(service: S, settings: &Settings, draining: Draining) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // hyper's own header timeout stays off: it would also end idle connections. Activity tells the two apart.
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(settings.head_bytes_max as usize);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.streams_max)
            .max_header_list_size(settings.head_bytes_max)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(RESET_STREAMS_MAX)
            .max_send_buf_size(SEND_BYTES_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            service,
            http,
            tls: settings.tls.clone().map(TlsAcceptor::from),
            connections_max: settings.connections_max,
            first_byte_timeout: settings.first_byte_timeout,
            header_timeout: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
            drain_timeout: settings.drain_timeout,
            draining,
        }
    }

    pub(crate) fn connections_max(&self) -> usize {
        self.connections_max
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// Serves `stream` to its end. Once `stopped` says so, takes no further request.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, stopped: watch::Receiver<bool>) {
        // Answers are written whole; waiting for more to send with them would only delay them.
        let _works_without = stream.set_nodelay(true);
        // One that is gone already has no address, and will send nothing either.
        let Ok(peer) = stream.peer_addr().map(|address| Peer(address.ip())) else { return };
        let first_bytes_by = Instant::now() + self.first_byte_timeout;
        match &self.tls {
            None => self.speak((stream, peer), first_bytes_by, stopped).await,
            // Boxed, so that connections without TLS do not carry its state.
            Some(tls) => match Box::pin(timeout_at(first_bytes_by, tls.accept(stream))).await {
                Ok(Ok(stream)) => Box::pin(self.speak((stream, peer), first_bytes_by, stopped)).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn speak<IO>(
        &self,
        (io, peer): (IO, Peer),
        first_bytes_by: Instant,
        mut stopped: watch::Receiver<bool>,
    ) where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let sniffed = tokio::select! {
            biased;
            sniffed = timeout_at(first_bytes_by, sniff(io)) => sniffed,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Ok(Ok(sniffed)) = sniffed else { return };
        let activity = Arc::new(Activity::new(self.header_timeout, self.idle_timeout));
        let io = TokioIo::new(sniffed.watched(&activity));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let handling = Activity::begin(&activity);
            let is_http1 = request.version() <= Version::HTTP_11;
            let (answering, draining) = (self.service.clone().oneshot(request), self.draining.clone());
            async move {
                let mut answer = answering.await?;
                if is_http1 && !draining.is_ready() {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(handling.answered(answer))
            }
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(io, service));
        tokio::select! {
            biased;
            _ended = connection.as_mut() => return,
            () = activity.overdue() => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        // What is under way may come to its end. A connection that is idle ends in the next poll, after a farewell
        // if its protocol has one; one that is overdue gets no more than that poll.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ended = connection => {}
            () = activity.overdue() => {}
        }
    }
}
