//! The accept loop, and how it ends.

use std::io;
use std::sync::Arc;

use prometheus::IntGauge;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{Connections, Serves};
use crate::metrics::Counted;
use crate::settings::ACCEPT_REST;

/// Accepts connections until `shutdown`; then takes no more, asks the open ones to end, and cuts those that have not
/// ended within the drain timeout. Beyond the cap, connections wait in the kernel's queue.
pub(crate) async fn run<S: Serves>(
    listener: TcpListener,
    connections: Connections<S>,
    open: &IntGauge,
    shutdown: impl Future<Output = ()> + Send,
) {
    let connections = Arc::new(connections);
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let has_room = running.len() < connections.connections_max();
        tokio::select! {
            () = shutdown.as_mut() => break,
            Some(_ended) = running.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    let (counted, stopped) = (Counted::new(open), stopped.clone());
                    let connection = Arc::clone(&connections).serve(stream, stopped);
                    running.spawn(async move {
                        connection.await;
                        drop(counted);
                    });
                }
                Err(error) => rest_after(&error).await,
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while running.join_next().await.is_some() {} };
    if timeout(connections.drain_timeout(), ended).await.is_err() {
        tracing::warn!(connections = running.len(), "connections that did not end in time are cut");
    }
}

/// A connection that was gone before it was accepted is nothing; but without descriptors or memory the next accept
/// would fail at once, and a loop of that would take the processor from those who could free some.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind as K;
    if matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted
    ) {
        return;
    }
    tracing::warn!(error = %error, "cannot accept connections right now");
    sleep(ACCEPT_REST).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_lack_of_our_own_makes_the_loop_rest() {
        let rest = async |error: io::Error| {
            let begun = Instant::now();
            rest_after(&error).await;
            begun.elapsed()
        };
        const EMFILE: i32 = 24;
        assert_eq!(rest(io::Error::from_raw_os_error(EMFILE)).await, ACCEPT_REST);
        assert_eq!(rest(io::ErrorKind::ConnectionAborted.into()).await.as_millis(), 0);
    }
}
