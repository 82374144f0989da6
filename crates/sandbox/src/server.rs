//! Takes connections and gives each call to [`crate::call`]; ends them in order when it shall stop.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::call;
use crate::desk::Desk;

/// Connections at one time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 8192;
/// How long a connection may take to send a head, its first byte included. Longer than clients keep idle connections,
/// so that it is the client who closes them.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long calls may go on after the stop.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long to wait after the listener failed, which it does when the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the desk says stop.
pub(crate) async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            () = desk.stopped() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let (desk, watcher) = (Arc::clone(&desk), graceful.watcher());
        connections.spawn(async move {
            let _place = place;
            if tokio::time::timeout(HEAD_WAIT_MAX, stream.readable()).await.is_err() {
                return;
            }
            let service = service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { call::answer(&desk, request).await }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
            builder.http2().timer(TokioTimer::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WAIT_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still going on when the server stopped");
    }
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone at once");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
