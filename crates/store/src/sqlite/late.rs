//! Tasks that have ended while an upstream may still be at work.

use std::time::Duration;

use domain::Timestamp;
use rusqlite::{Connection, params};

use super::failed;
use crate::StoreError;

/// Watches the task for as long as that, from `now`.
pub(super) fn begin(
    connection: &Connection,
    task: &str,
    watch: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO late_watches (task_id, until_at, due_at, lease_epoch) VALUES (?1, ?2, ?3, 0)";
    let values = params![task, now.plus(watch).as_millis(), now.as_millis()];
    let insert = || connection.prepare_cached(sql)?.execute(values);
    insert().map(|_| ()).map_err(failed("watching an ended task"))
}
