//! The listener for clients.

use std::io;
use std::sync::Arc;

use limits::Limiter;
use matchit::InsertError;
use tasks::{Keyring, TaskService};
use tokio::net::TcpListener;

use crate::connection::Connections;
use crate::layers::cors::BadOrigin;
use crate::metrics::Metrics;
use crate::{Draining, Settings, server, stack};

/// Everything that clients are served with.
pub struct Gateway {
    /// What can be done.
    pub tasks: TaskService,
    /// For whom.
    pub keyring: Keyring,
    /// How often.
    pub limiter: Arc<dyn Limiter>,
    /// Within which bounds.
    pub settings: Settings,
    /// Where the metrics are registered.
    pub registry: prometheus::Registry,
    /// Told when the end begins, for [`crate::admin`].
    pub draining: Draining,
}

/// Why clients cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener does not know its address.
    #[error("asking for the listener's address failed")]
    Listener(#[from] io::Error),
    /// The metrics are registered already.
    #[error("registering metrics failed")]
    Metrics(#[from] prometheus::Error),
    /// Two dialects cannot share a path.
    #[error("the paths of the dialects contradict each other")]
    Routes(#[from] InsertError),
    /// A configured origin is none.
    #[error("cors_origins cannot be used")]
    Origin(#[from] BadOrigin),
}

/// Serves clients until `shutdown` and for `drain_delay` after it, then lets what is under way come to its end, for
/// `drain_timeout` at most. Errors come before the first connection is accepted.
pub async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let metrics = Arc::new(Metrics::new(&gateway.registry)?);
    let stack = stack::build(&gateway, &metrics, listener.local_addr()?)?;
    let connections = Connections::new(stack, &gateway.settings, gateway.draining.clone());
    let (draining, delay) = (gateway.draining.clone(), gateway.settings.drain_delay);
    let shutdown = async move {
        shutdown.await;
        draining.announce();
        tokio::time::sleep(delay).await;
        draining.begin();
        failpoints::pass("draining");
    };
    server::run(listener, connections, metrics.connections(), shutdown).await;
    Ok(())
}
