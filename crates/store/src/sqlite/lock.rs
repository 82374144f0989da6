//! One server for each database: a lock that the operating system drops with the process.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::StoreError;

/// A server that takes over waits this often, this long, for one that is just leaving and for a passing look.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Held as long as a server uses the database.
#[derive(Debug)]
pub(super) struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock of the database at `path`, or says that another server has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let file = open(&beside(path, ".lock"))?;
        for _ in 1..TRIES {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => sleep(BETWEEN_TRIES),
                _ => break,
            }
        }
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Unavailable(format!("another server is using {}", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(lock_failed(error)),
        }
    }
}

/// Whether a server holds the lock of the database at `path`.
pub(super) fn is_served(path: &Path) -> Result<bool, StoreError> {
    let file = match File::open(beside(path, ".lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(lock_failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(lock_failed(error)),
    }
}

/// Held while the schema is brought up to date, so that two processes that start together do not both do it. Waits.
pub(super) fn migration_lock(path: &Path) -> Result<File, StoreError> {
    let file = open(&beside(path, ".migration-lock"))?;
    file.lock().map_err(lock_failed)?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(lock_failed)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn lock_failed(error: io::Error) -> StoreError {
    StoreError::Backend { operation: "locking the database", source: Box::new(error) }
}
