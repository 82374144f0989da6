//! Durations as statements have them: in milliseconds.

use std::time::Duration;

use tokio_postgres::Row;

use super::rows::unsigned;
use crate::StoreError;

/// To be added to `{now}`. More than a thousand years counts as that, so that no sum overflows.
pub(super) fn millis(duration: Duration) -> i64 {
    const LONGEST: i64 = 1000 * 366 * 24 * 3600 * 1000;
    i64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// What the column `millis` says.
pub(super) fn wait(row: &Row) -> Result<Duration, StoreError> {
    unsigned(row, "millis").map(Duration::from_millis)
}
