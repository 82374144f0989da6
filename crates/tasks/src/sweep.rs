//! Deletes what is past its time, a little at a time: tasks that ended long ago, keys of idempotency that have expired,
//! what was used of daily limits, files that can no longer be read. The ledger stays for ever.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use domain::{AssetId, Timestamp, with_sources};
use store::StoreError;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::shared::Shared;

/// The longest wait for the first sweep, so that a process which never lives for long sweeps, too.
const FIRST_AFTER: Duration = Duration::from_secs(30);
/// Between two batches, so that nobody else waits long for the store.
const PAUSE: Duration = Duration::from_millis(50);
/// Files that no asset knows are removed when they are that old: younger ones are being written or noted. They are looked
/// for as often.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// How long things are kept.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// Tasks, from their end.
    pub tasks: Duration,
    /// Results, from when they were stored.
    pub results: Duration,
    /// Between two sweeps.
    pub sweep_every: Duration,
    /// Rows that one transaction deletes, at least 1.
    pub batch_max: usize,
}

/// Sweeps until told to stop. Several, also in several processes, may share a store.
pub struct Sweeper {
    shared: Arc<Shared>,
    orphans_swept: Option<Instant>,
}

/// Why a sweep ended early. The next one goes on.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("the store cannot sweep")]
    Store(#[from] StoreError),
    #[error("reading the directory of assets failed")]
    Directory(#[from] io::Error),
}

/// A file in the directory of assets that is old enough to be nobody's.
struct Old {
    path: PathBuf,
    /// The asset that it would be; absent if it was never finished.
    asset: Option<AssetId>,
}

impl Sweeper {
    /// A sweeper over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, orphans_swept: None }
    }

    /// Sweeps until `stop` is ready, also amid a sweep: what is half done is done by the next one.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let every = self.shared.settings.retention.sweep_every;
        let mut wait = every.min(FIRST_AFTER);
        loop {
            let round = async {
                sleep(wait).await;
                if let Err(error) = self.sweep().await {
                    tracing::error!(error = with_sources(&error), "a sweep ended early");
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = round => wait = every,
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), SweepError> {
        self.tasks().await?;
        self.keys().await?;
        self.days().await?;
        self.expired_assets().await?;
        if self.orphans_swept.is_none_or(|at| at.elapsed() >= ORPHAN_AGE) {
            self.orphans().await?;
            self.orphans_swept = Some(Instant::now());
        }
        Ok(())
    }

    async fn tasks(&self) -> Result<(), SweepError> {
        let retention = &self.shared.settings.retention;
        loop {
            failpoints::pass("retention_deleting");
            let deleted = self.shared.store.purge_tasks(retention.tasks, retention.batch_max).await?;
            self.shared.metrics.swept("tasks", deleted);
            if deleted < retention.batch_max {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    async fn keys(&self) -> Result<(), SweepError> {
        let batch_max = self.shared.settings.retention.batch_max;
        loop {
            let deleted = self.shared.store.purge_keys(batch_max).await?;
            self.shared.metrics.swept("idempotency_keys", deleted);
            if deleted < batch_max {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// The bytes go before their note, so that no crash leaves bytes that nobody knows.
    async fn days(&self) -> Result<(), SweepError> {
        let batch_max = self.shared.settings.retention.batch_max;
        loop {
            let deleted = self.shared.store.purge_daily(batch_max).await?;
            self.shared.metrics.swept("daily_uses", deleted);
            if deleted < batch_max {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    async fn expired_assets(&self) -> Result<(), SweepError> {
        let batch_max = self.shared.settings.retention.batch_max;
        loop {
            let expired = self.shared.store.expired_assets(batch_max).await?;
            let mut removed = Vec::new();
            for id in &expired {
                match self.shared.assets.erase(id).await {
                    Ok(bytes) => {
                        self.shared.metrics.erased(bytes);
                        removed.push(id.clone());
                    }
                    Err(error) => tracing::warn!(asset = %id, %error, "an expired file cannot be removed"),
                }
            }
            self.shared.store.drop_expired(&removed).await?;
            self.shared.metrics.swept("assets", removed.len());
            // What cannot be removed comes again with the next sweep, not with the next batch.
            if removed.len() < batch_max {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    async fn orphans(&self) -> Result<(), SweepError> {
        let before = Timestamp::from_millis(
            clock::now().as_millis() - i64::try_from(ORPHAN_AGE.as_millis()).unwrap_or(i64::MAX),
        );
        let root = self.shared.assets.root().to_owned();
        for folder in blocking(move || folders(&root)).await? {
            for old in blocking(move || old_files(&folder, before)).await? {
                if let Some(id) = &old.asset
                    && self.shared.store.asset(id).await?.is_some()
                {
                    continue;
                }
                match tokio::fs::remove_file(&old.path).await {
                    Ok(()) => self.shared.metrics.swept("orphans", 1),
                    Err(error) => {
                        tracing::warn!(path = %old.path.display(), %error, "a file of nobody cannot be removed")
                    }
                }
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// The directories in a directory; none if it is not there.
fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// The files of assets in the directories of `folder` that were last written before that moment. Files of other names are
/// not ours.
fn old_files(folder: &Path, before: Timestamp) -> io::Result<Vec<Old>> {
    let mut old = Vec::new();
    for inner in folders(folder)? {
        for entry in std::fs::read_dir(inner)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let (id, is_finished) = name.strip_suffix(".part").map_or((name, true), |id| (id, false));
            if is_asset_id(id) && written_at(&entry)?.is_some_and(|at| at < before) {
                old.push(Old { path: entry.path(), asset: is_finished.then(|| AssetId::new(id)) });
            }
        }
    }
    Ok(old)
}

fn is_asset_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// When it was last written; `None` if it is gone meanwhile.
fn written_at(entry: &std::fs::DirEntry) -> io::Result<Option<Timestamp>> {
    let modified = match entry.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?.modified()?,
    };
    let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Timestamp::from_millis(0).plus(since_epoch)))
}
