//! Brings the schema up to date.

use std::path::Path;

use rusqlite::Connection;

use super::lock::migration_lock;
use crate::StoreError;

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Constraints that tests take away, and how.
const CONSTRAINTS: [(&str, &str); 2] = [
    ("one_live_attempt", "DROP INDEX IF EXISTS attempts_live"),
    (
        "ledger_unique",
        "CREATE TABLE loose AS SELECT * FROM ledger; DROP TABLE ledger; ALTER TABLE loose RENAME TO ledger",
    ),
];

/// Applies what is missing, all of it or nothing. Refuses a database that a newer filmgate has changed.
pub(super) fn run(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let _lock = migration_lock(path)?;
    failpoints::pass("migrating");
    // Grouped: by default a migration and the note that it ran are two transactions, and a crash could part them.
    let report = embedded::migrations::runner().set_grouped(true).run(connection).map_err(|error| {
        StoreError::Backend { operation: "bringing the schema up to date", source: Box::new(error) }
    })?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "schema changed");
    }
    for (mechanism, without) in CONSTRAINTS {
        if failpoints::removed(mechanism) {
            connection.execute_batch(without).map_err(super::failed("taking a constraint away"))?;
        }
    }
    Ok(())
}
