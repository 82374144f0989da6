//! A few read-only connections, shared.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connection::open_for_reading;
use super::failed;
use crate::StoreError;

#[derive(Debug)]
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    /// Opens `count` connections, at least one.
    pub(super) fn open(path: &Path, count: usize, busy_timeout: Duration) -> Result<Self, StoreError> {
        let connections = (0..count.max(1))
            .map(|_| Ok(Mutex::new(open_for_reading(path, busy_timeout)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// Runs `read` on one consistent view of the database. Writers do not block it, nor it them.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.any();
        let view = View::begin(&connection).map_err(failed("beginning to read"))?;
        read(view.connection)
    }

    /// A connection that is free, or else one that will be soon.
    fn any(&self) -> MutexGuard<'_, Connection> {
        let count = self.connections.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let free =
            (0..count).find_map(|step| self.connections[(first.wrapping_add(step)) % count].try_lock().ok());
        free.unwrap_or_else(|| {
            // A reader that panicked left no harm: its view was ended.
            self.connections[first % count].lock().unwrap_or_else(PoisonError::into_inner)
        })
    }
}

/// One consistent view: a transaction that is ended when this is dropped. Unlike rusqlite's own it uses prepared
/// statements, because parsing `BEGIN` and `COMMIT` would be a good part of a read of microseconds.
struct View<'a> {
    connection: &'a Connection,
}

impl<'a> View<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self { connection })
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        let end = || self.connection.prepare_cached("COMMIT")?.execute([]);
        if let Err(error) = end() {
            tracing::error!(%error, "ending a read failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::connection::open_for_writing;
    use super::super::{migrations, rows, tasks};
    use super::*;

    #[test]
    fn a_point_read_is_planned_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let mut writer = open_for_writing(&path, Duration::ZERO).unwrap();
        migrations::run(&path, &mut writer).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let planned_again = |sql: &str| {
            let read = |connection: &Connection| {
                let mut statement = connection.prepare_cached(sql).unwrap();
                assert!(statement.query(["id"]).unwrap().next().unwrap().is_none());
                Ok(statement.get_status(StatementStatus::RePrepare))
            };
            (0..3).map(|_| readers.read(read).unwrap()).max()
        };
        for sql in [rows::ATTEMPTS, tasks::LOAD] {
            assert_eq!(planned_again(sql), Some(0), "{sql}");
        }
    }
}
