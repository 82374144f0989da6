//! Brings the schema up to date.

use std::path::Path;

use rusqlite::Connection;

use super::lock::migration_lock;
use crate::StoreError;

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Applies what is missing, all of it or nothing. Refuses a database that a newer filmgate has changed.
pub(super) fn run(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let _lock = migration_lock(path)?;
    // Grouped: by default a migration and the note that it ran are two transactions, and a crash could part them.
    let report = embedded::migrations::runner().set_grouped(true).run(connection).map_err(|error| {
        StoreError::Backend { operation: "bringing the schema up to date", source: Box::new(error) }
    })?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "schema changed");
    }
    Ok(())
}
