//! Whether this process is about to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared between the gateway, which begins to drain, and the admin listener, which says so. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on the process is not ready. There is no way back.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`Self::begin`] was called.
    pub fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
