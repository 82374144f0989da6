//! The embedded back end: one SQLite file, one server.
//!
//! Writes go through one thread that commits them in groups (`sqlite/writer.rs`); reads use connections of their own.
//! Not for network file systems: SQLite's locks and shared memory do not work there.

mod assets;
mod books;
mod checkpoint;
mod claims;
mod clock;
mod connection;
mod daily;
mod deliveries;
mod idempotency;
mod inbox;
mod inspections;
mod keys;
mod late;
mod ledger;
mod lock;
mod migrations;
mod operations;
#[cfg(test)]
mod query_plan;
mod readers;
mod retention;
mod rows;
mod settings;
mod summary;
mod tasks;
mod wishes;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Money, OwnerId, Task, TaskId};
use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use tokio::sync::broadcast;

pub use self::clock::Clock;
pub use self::settings::SqliteSettings;

use self::checkpoint::Checkpointer;
use self::claims::Reckoning;
use self::lock::ServerLock;
use self::readers::Readers;
use self::rows::{ChangeRow, NewRow};
use self::writer::Writer;
use crate::unreadable::Unreadable;
use crate::{
    Admission, Claim, CrashingTask, DailyKey, DailyLimit, DailyUse, DailyVerdict, Ending, ListTasks,
    LiveHolding, Next, Nudge, Store, StoreError, Tasks, Terms,
};

/// Tasks in one SQLite file. Dropped, it finishes the writes that are queued; that blocks for about one commit.
///
/// Fields are dropped in this order: the lock goes when nothing writes any more.
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    scanner: Arc<Readers>,
    writer: Writer,
    clock: Clock,
    unreadable: Unreadable,
    _lock: Option<ServerLock>,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it, beside whoever else uses it: for the command line.
    /// Blocks on the disk.
    pub fn open(path: impl AsRef<Path>, settings: SqliteSettings) -> Result<Self, StoreError> {
        Self::start(path.as_ref(), settings, None)
    }

    /// Opens the database at `path`, or makes it, as its only server, and ends all leases: their holders are surely
    /// dead, so their tasks go on at once. [`StoreError::Unavailable`] if another server has it, after half a second.
    /// Blocks on the disk.
    pub fn open_exclusive(path: impl AsRef<Path>, settings: SqliteSettings) -> Result<Self, StoreError> {
        let lock = ServerLock::take(path.as_ref())?;
        Self::start(path.as_ref(), settings, Some(lock))
    }

    /// Whether a server has the database at `path` open.
    pub fn is_served(path: impl AsRef<Path>) -> Result<bool, StoreError> {
        lock::is_served(path.as_ref())
    }

    fn start(path: &Path, settings: SqliteSettings, lock: Option<ServerLock>) -> Result<Self, StoreError> {
        let mut writer = connection::open_for_writing(path, settings.busy_timeout)?;
        migrations::run(path, &mut writer)?;
        if lock.is_some() {
            let now = settings.clock.now();
            let ended = claims::end_all(&writer, now)? + late::end_all(&writer, now)?;
            tracing::debug!(ended, "leases of the server before were ended");
        }
        let checkpoints = connection::open_for_writing(path, settings.busy_timeout)?;
        let checkpointer = Checkpointer::start(checkpoints, &settings)?;
        Ok(Self {
            readers: Readers::open(path, settings.readers, settings.busy_timeout)?,
            scanner: Arc::new(Readers::open(path, 1, settings.busy_timeout)?),
            writer: Writer::start(writer, checkpointer, &settings)?,
            clock: settings.clock,
            unreadable: Unreadable::default(),
            _lock: lock,
        })
    }

    /// For reads of a few rows by their key: they take microseconds, less than handing them to another thread would.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.readers.read(read)
    }

    /// For reads that grow with the number of tasks or keys: on a thread that may block, and on a connection of their
    /// own, so that the short reads never wait for them.
    async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let scanner = Arc::clone(&self.scanner);
        tokio::task::spawn_blocking(move || scanner.read(read)).await.unwrap_or_else(|error| {
            Err(StoreError::Backend { operation: "reading", source: Box::new(error) })
        })
    }
}

#[async_trait]
impl Tasks for SqliteStore {
    async fn create(&self, task: &Task, terms: &Terms) -> Result<Admission, StoreError> {
        let (row, terms) = (NewRow::encode(task)?, terms.clone());
        let clock = self.clock.clone();
        self.writer.accept(move |c| tasks::create(c, &row, &terms, clock.now())).await
    }

    async fn load(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        self.read(|c| tasks::load(c, id))
    }

    async fn claim_due(&self, holder: &str, lease: Duration, max: usize) -> Result<Vec<Claim>, StoreError> {
        let (holder, unreadable, clock) = (holder.to_owned(), self.unreadable.marks(), self.clock.clone());
        let claim =
            move |c: &Connection| claims::claim_due(c, (&holder, lease), max, &unreadable, clock.now());
        let decoded = self.unreadable.decode(self.writer.write(claim).await?);
        self.defer(&decoded.unreadable, Duration::ZERO).await?;
        self.defer(&decoded.too_many, lease).await?;
        Ok(decoded.claims)
    }

    async fn advance(
        &self,
        task: &Task,
        epoch: u64,
        next: Next,
        end: Option<&Ending>,
    ) -> Result<u64, StoreError> {
        let (id, mut end) = (task.id.clone(), end.cloned());
        let is_end = end.is_some();
        let apart = end.as_mut().filter(|_| failpoints::removed("outbox_in_transaction"));
        let apart = apart.and_then(|end| end.message.take());
        let change = ChangeRow::encode(task)?;
        let entries =
            end.as_ref().and_then(|end| end.settlement).map(|settlement| ledger::end(task, settlement));
        let clock = self.clock.clone();
        let advance = move |c: &Connection| {
            let now = clock.now();
            let version = tasks::advance(c, (id.as_str(), epoch), &change, next, now)?;
            if let Some(entries) = &entries {
                ledger::append(c, entries, now)?;
            }
            if let Some(message) = end.as_ref().and_then(|end| end.message.as_ref()) {
                deliveries::store(c, id.as_str(), message, now)?;
            }
            if let Some(watch) = end.as_ref().and_then(|end| end.watch) {
                late::begin(c, id.as_str(), watch, now)?;
            }
            Ok(version)
        };
        let version = self.writer.write(advance).await?;
        if is_end {
            failpoints::pass("end_stored");
        }
        if let Some(message) = apart {
            let (id, now) = (task.id.clone(), self.clock.now());
            self.writer.write(move |c| deliveries::store(c, id.as_str(), &message, now)).await?;
        }
        Ok(version)
    }

    async fn use_daily(
        &self,
        (id, epoch): &(TaskId, u64),
        attempt: u32,
        limits: &[DailyLimit],
        price: Money,
    ) -> Result<DailyVerdict, StoreError> {
        let (id, epoch, limits, clock) = (id.clone(), *epoch, limits.to_vec(), self.clock.clone());
        let count = move |c: &Connection| {
            daily::count_attempt(c, (id.as_str(), epoch, attempt), &limits, price, clock.now())
        };
        self.writer.write(count).await
    }

    async fn used_today(&self, keys: &[DailyKey]) -> Result<Vec<DailyUse>, StoreError> {
        self.read(|c| keys.iter().map(|key| daily::used(c, key, self.clock.now())).collect())
    }

    async fn release(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError> {
        let claims = claims.to_vec();
        let clock = self.clock.clone();
        let over = Reckoning::Over;
        self.writer.write(move |c| claims::give_back(c, &claims, clock.now().plus(delay), over)).await
    }

    async fn defer(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError> {
        if claims.is_empty() {
            return Ok(());
        }
        let (claims, clock) = (claims.to_vec(), self.clock.clone());
        let same = Reckoning::Same;
        self.writer.write(move |c| claims::give_back(c, &claims, clock.now().plus(delay), same)).await
    }

    async fn crashed(&self, claim: &(TaskId, u64), delay: Duration) -> Result<(), StoreError> {
        let (claim, clock) = ([claim.clone()], self.clock.clone());
        let one_more = Reckoning::OneMore;
        self.writer.write(move |c| claims::give_back(c, &claim, clock.now().plus(delay), one_more)).await
    }

    async fn crashing(&self, crashes_min: u32, max: usize) -> Result<Vec<CrashingTask>, StoreError> {
        self.scan(move |c| claims::crashing(c, crashes_min, max)).await
    }

    async fn pardon(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (id, clock) = (id.clone(), self.clock.clone());
        self.writer.write(move |c| claims::pardon(c, &id, clock.now())).await
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError> {
        self.read(|c| claims::next_due_in(c, &self.unreadable.marks(), self.clock.now()))
    }

    async fn live_holdings(&self) -> Result<Vec<LiveHolding>, StoreError> {
        self.scan(tasks::live_holdings).await
    }

    async fn live_tasks(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.scan(tasks::live_tasks).await
    }

    async fn list(&self, owner: &OwnerId, wanted: &ListTasks) -> Result<Vec<Task>, StoreError> {
        let (owner, wanted) = (owner.clone(), wanted.clone());
        self.scan(move |c| wishes::list(c, &owner, &wanted)).await
    }

    async fn request_cancel(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (id, clock) = (id.clone(), self.clock.clone());
        self.writer.write(move |c| wishes::request_cancel(c, &id, clock.now())).await
    }

    async fn make_due(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (id, clock) = (id.clone(), self.clock.clone());
        self.writer.write(move |c| wishes::make_due(c, &id, clock.now())).await
    }

    async fn forget(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (id, clock) = (id.clone(), self.clock.clone());
        self.writer.write(move |c| wishes::forget(c, &id, clock.now())).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    /// Goes the way of a write, so that it also tells whether writes get through.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.write(|c| c.query_row("SELECT 1", [], |_| Ok(())).map_err(failed("a ping"))).await
    }

    /// There is one server: whoever else writes is the command line.
    fn nudges(&self) -> Option<broadcast::Receiver<Nudge>> {
        None
    }
}

/// Names the operation that an error of SQLite ended.
fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| StoreError::Backend { operation, source: Box::new(error) }
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|e| matches!(e.extended_code, SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY))
}
