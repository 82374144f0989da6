//! The only place of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// The present moment. A clock before 1970 reads as 1970.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
