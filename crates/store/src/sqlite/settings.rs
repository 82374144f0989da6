//! Every bound of the embedded store, by name.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use super::Clock;

/// The bounds of a [`SqliteStore`](crate::SqliteStore). Bounds of zero count as one.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// The store's clock; the system's by default.
    pub clock: Clock,
    /// Connections for reading. More readers than these wait for each other, microseconds each.
    pub readers: usize,
    /// New tasks that wait for the writer at one time; more are refused as unavailable. Keep it below
    /// `writes_waiting_max`: what is left of that is for writes that record what an upstream did.
    pub accepts_waiting_max: usize,
    /// Writes of any kind that wait for the writer at one time; more are refused as unavailable.
    pub writes_waiting_max: usize,
    /// Writes that share one transaction and one sync at most.
    pub batch_max: usize,
    /// How long to wait for another process that writes, such as the command line, before refusing.
    pub busy_timeout: Duration,
    /// Bytes in the write-ahead log, not yet in the database, from which the background thread moves them there.
    pub checkpoint_bytes: u64,
    /// Size of the write-ahead log from which the writer itself moves the rest and starts it anew. Under steady load only
    /// this ends its growth. One batch more, and what is written while a reader holds on to the log, can come on top.
    pub wal_bytes_max: u64,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            readers: available_parallelism().map_or(4, NonZeroUsize::get).min(16),
            accepts_waiting_max: 4096,
            writes_waiting_max: 8192,
            batch_max: 512,
            busy_timeout: Duration::from_secs(5),
            checkpoint_bytes: 4 << 20,
            wal_bytes_max: 64 << 20,
        }
    }
}
