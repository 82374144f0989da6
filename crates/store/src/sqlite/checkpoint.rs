//! Moves what is in the write-ahead log into the database, off the accept path.
//!
//! A thread with a connection of its own does nearly all of it, passively, while commits go on. What it cannot do under
//! steady load is to finish: the log is always a little longer than what it has moved, and only a log that was moved
//! wholly starts anew. So when the log reaches its bound the writer, which nobody can outrun, moves the small rest itself.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;

use super::SqliteSettings;
use crate::StoreError;

/// A page and its header in the log.
const FRAME_BYTES: u64 = 4096 + 24;

/// The thread, and the writer's rules for when to wake it. Dropped, it finishes what it was woken for and ends.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    checkpoint_bytes: u64,
    wal_bytes_max: u64,
}

impl Checkpointer {
    pub(super) fn start(connection: Connection, settings: &SqliteSettings) -> Result<Self, StoreError> {
        let (wake, woken) = sync_channel(1);
        let thread = Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || serve(&connection, &woken))
            .map_err(|error| StoreError::Backend {
                operation: "starting a thread",
                source: Box::new(error),
            })?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            checkpoint_bytes: settings.checkpoint_bytes,
            wal_bytes_max: settings.wal_bytes_max,
        })
    }

    /// To be called by the writer, between transactions.
    pub(super) fn after_commit(&self, writer: &Connection) {
        match Wal::look(writer) {
            Ok(wal) if wal.frames * FRAME_BYTES >= self.wal_bytes_max => checkpoint(writer),
            Ok(wal) if (wal.frames - wal.moved) * FRAME_BYTES >= self.checkpoint_bytes => self.wake(),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the size of the write-ahead log is not known"),
        }
    }

    fn wake(&self) {
        // A full channel means that it will wake anyway.
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        checkpoint(connection);
    }
}

/// Passive: it waits for nobody, and if another checkpoint is under way it does nothing.
fn checkpoint(connection: &Connection) {
    if let Err(error) = Wal::ask(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
        tracing::warn!(%error, "a checkpoint failed; the write-ahead log grows until one succeeds");
    }
}

/// How long the write-ahead log is, and how much of it is in the database already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wal {
    frames: u64,
    moved: u64,
}

impl Wal {
    fn look(connection: &Connection) -> rusqlite::Result<Self> {
        Self::ask(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    fn ask(connection: &Connection, pragma: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(pragma)?.query_row([], |row| {
            let frames: i64 = row.get("log")?;
            let moved: i64 = row.get("checkpointed")?;
            let frames = u64::try_from(frames).unwrap_or(0); // -1: not known
            Ok(Self { frames, moved: u64::try_from(moved).unwrap_or(0).min(frames) })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::connection::open_for_writing;
    use super::*;

    fn open(dir: &tempfile::TempDir) -> (Connection, Connection, PathBuf) {
        let path = dir.path().join("store.sqlite");
        let open = || open_for_writing(&path, Duration::from_secs(5)).unwrap();
        let (writer, other) = (open(), open());
        writer.execute("CREATE TABLE t (x BLOB)", []).unwrap();
        (writer, other, dir.path().join("store.sqlite-wal"))
    }

    fn insert_100_kib(writer: &Connection) {
        writer.execute("INSERT INTO t VALUES (zeroblob(102400))", []).unwrap();
    }

    #[test]
    fn a_long_enough_log_is_moved_in_the_background() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, other, _) = open(&dir);
        let settings = SqliteSettings { checkpoint_bytes: 50 << 10, ..SqliteSettings::default() };
        let checkpointer = Checkpointer::start(other, &settings).unwrap();
        insert_100_kib(&writer);
        assert_eq!(Wal::look(&writer).unwrap().moved, 0);
        checkpointer.after_commit(&writer);
        drop(checkpointer);
        let wal = Wal::look(&writer).unwrap();
        assert!(wal.frames > 0);
        assert_eq!(wal.moved, wal.frames);
    }

    #[test]
    fn a_short_log_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, other, _) = open(&dir);
        let checkpointer = Checkpointer::start(other, &SqliteSettings::default()).unwrap();
        insert_100_kib(&writer);
        checkpointer.after_commit(&writer);
        drop(checkpointer);
        assert_eq!(Wal::look(&writer).unwrap().moved, 0);
    }

    #[test]
    fn the_log_does_not_grow_beyond_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, other, wal_path) = open(&dir);
        let settings = SqliteSettings { wal_bytes_max: 300 << 10, ..SqliteSettings::default() };
        let checkpointer = Checkpointer::start(other, &settings).unwrap();
        for _ in 0..50 {
            insert_100_kib(&writer);
            checkpointer.after_commit(&writer);
        }
        let bytes = fs::metadata(wal_path).unwrap().len();
        assert!(bytes < 500 << 10, "{bytes} bytes after 5 MiB were written");
    }
}
