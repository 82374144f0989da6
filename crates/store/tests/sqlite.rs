//! The embedded back end passes the suite.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;
use store::conformance::Harness;
use store::{Clock, SqliteSettings, SqliteStore, Store};
use tempfile::TempDir;

struct Sqlite {
    dir: TempDir,
    millis: Arc<AtomicI64>,
    store: Arc<SqliteStore>,
}

impl Sqlite {
    fn start(dir: TempDir, millis: Arc<AtomicI64>) -> Self {
        let now = Arc::clone(&millis);
        let clock = Clock::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
        let settings = SqliteSettings { clock, ..SqliteSettings::default() };
        let store = Arc::new(SqliteStore::open(dir.path().join("store.sqlite"), settings).expect("open"));
        Self { dir, millis, store }
    }
}

#[async_trait]
impl Harness for Sqlite {
    async fn open() -> Self {
        Self::start(tempfile::tempdir().expect("a directory"), Arc::new(AtomicI64::new(1_000_000)))
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("a short time");
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Goes on with a copy of the two files that a dead process leaves, taken before this store can tidy up.
    async fn crash(&mut self) {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["store.sqlite", "store.sqlite-wal"] {
            fs::copy(self.dir.path().join(name), dir.path().join(name)).expect("copy");
        }
        *self = Self::start(dir, Arc::clone(&self.millis));
    }
}

store::stamp_conformance!(Sqlite);
