//! A few read-only connections, shared.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction};

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
        read: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.any();
        let view = connection.transaction().map_err(failed("beginning to read"))?;
        read(&view)
    }

    /// A connection that is free, or else one that will be soon.
    fn any(&self) -> MutexGuard<'_, Connection> {
        let count = self.connections.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let free =
            (0..count).find_map(|step| self.connections[(first.wrapping_add(step)) % count].try_lock().ok());
        free.unwrap_or_else(|| {
            // A reader that panicked left no harm: its transaction was rolled back.
            self.connections[first % count].lock().unwrap_or_else(PoisonError::into_inner)
        })
    }
}
