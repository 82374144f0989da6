//! Where a local limiter has its time from.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A clock that never goes back. The default is the machine's monotonic one; tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// A clock that reads what `elapsed` gives: the time since any fixed moment.
    pub fn new(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(elapsed))
    }

    /// Microseconds since the fixed moment.
    pub(crate) fn micros(&self) -> u64 {
        micros((self.0)())
    }
}

impl Default for Clock {
    fn default() -> Self {
        let start = Instant::now();
        Self::new(move || start.elapsed())
    }
}

/// A span as whole microseconds, the unit of all times here; half a million years at most.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
