//! Opens connections, with the settings that durability rests on.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failed;
use crate::StoreError;

/// More than the store has statements, so that each is prepared once.
const STATEMENTS_CACHED_MAX: usize = 128;

/// A connection that may write. WAL and `synchronous=FULL`: a commit returns when it is on the disk.
/// Checkpoints never happen by themselves: see `checkpoint.rs`.
pub(super) fn open_for_writing(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(busy_timeout)?;
        let journal: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get("journal_mode"))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "fullfsync", "ON")?; // macOS: the plain sync there leaves data in the disk's cache
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        prepare_once(&connection)?;
        Ok((connection, journal))
    };
    let (connection, journal) = open().map_err(failed("opening the database"))?;
    if journal != "wal" {
        let text = format!("{} is on a file system without write-ahead logging", path.display());
        return Err(StoreError::Unavailable(text));
    }
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn open_for_reading(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(busy_timeout)?;
        prepare_once(&connection)?;
        Ok(connection)
    };
    open().map_err(failed("opening the database for reading"))
}

/// Plans must not depend on bound values: otherwise SQLite plans a cached statement anew at each of its runs where a
/// partial index might serve it, which costs more than the run.
fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> String {
        connection
            .pragma_query_value(None, name, |row| {
                row.get(0).map(|value: rusqlite::types::Value| match value {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => format!("{other:?}"),
                })
            })
            .unwrap()
    }

    #[test]
    fn what_durability_rests_on_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let writer = open_for_writing(&path, Duration::from_secs(7)).unwrap();
        assert_eq!(pragma(&writer, "journal_mode"), "wal");
        assert_eq!(pragma(&writer, "synchronous"), "2");
        assert_eq!(pragma(&writer, "foreign_keys"), "1");
        assert_eq!(pragma(&writer, "wal_autocheckpoint"), "0");
        assert_eq!(pragma(&writer, "busy_timeout"), "7000");
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let writer = open_for_writing(&path, Duration::ZERO).unwrap();
        writer.execute("CREATE TABLE t (x)", []).unwrap();
        let reader = open_for_reading(&path, Duration::ZERO).unwrap();
        assert!(reader.execute("INSERT INTO t VALUES (1)", []).is_err());
    }
}
