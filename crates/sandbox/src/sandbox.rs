//! Starts and stops the sandbox.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::desk::{Counters, Desk};
use crate::faults::Faults;
use crate::ledger::{Ledger, LedgerError};
use crate::media::Studio;
use crate::server;

/// How a sandbox shall be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of its ledger and media; made if it is missing. One sandbox at a time.
    pub data: PathBuf,
    /// What shall go wrong.
    pub faults: Faults,
    /// How long a generation takes.
    pub generation: Duration,
    /// The only bearer key that it accepts; any that is not empty if `None`.
    pub key: Option<String>,
}

impl Settings {
    /// How long a generation takes unless told otherwise.
    pub const GENERATION: Duration = Duration::from_secs(2);

    /// A sandbox where nothing goes wrong and any key will do.
    pub fn new(listen: SocketAddr, data: impl Into<PathBuf>) -> Self {
        Self { listen, data: data.into(), faults: Faults::default(), generation: Self::GENERATION, key: None }
    }
}

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The folder of its data cannot be made.
    #[error("making the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Its ledger cannot be used.
    #[error("opening the sandbox's ledger")]
    Ledger(#[from] LedgerError),
    /// Its address cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why it failed.
        source: io::Error,
    },
}

/// A sandbox that runs. Dropping it stops it too, but waits for nothing.
pub struct Sandbox {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    ledger_writer: thread::JoinHandle<()>,
}

impl Sandbox {
    /// Starts one; when this returns it takes calls, and knows all tasks that the ledger in its folder knows.
    pub async fn start(settings: Settings) -> Result<Self, SandboxError> {
        let Settings { listen, data, faults, generation, key } = settings;
        let listen_error = |source| SandboxError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let (studio, ledger, ledger_writer) =
            tokio::task::spawn_blocking(|| open(data)).await.expect("opening files does not panic")?;
        let (stop, stopped) = watch::channel(false);
        let desk = Desk {
            faults,
            generation,
            key,
            ledger,
            studio,
            counters: Counters::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            stopped_tasks: Mutex::default(),
            deleted_tasks: Mutex::default(),
            stop: stopped,
        };
        let server = tokio::spawn(server::serve(listener, Arc::new(desk)));
        Ok(Self { address, stop, server, ledger_writer })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops it: calls that are at work are answered, those that hang or wait are cut. Afterwards its folder is free.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the sandbox's server ended badly");
        }
        let joined = tokio::task::spawn_blocking(|| self.ledger_writer.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the writer of the sandbox's ledger ended badly");
        }
    }
}

fn open(data: PathBuf) -> Result<(Studio, Ledger, thread::JoinHandle<()>), SandboxError> {
    let media = data.join("media");
    let studio =
        Studio::open(media.clone()).map_err(|source| SandboxError::Folder { path: media, source })?;
    let (ledger, writer) = Ledger::open(&data)?;
    Ok((studio, ledger, writer))
}
