//! Whether this process is about to stop.

use tokio::sync::watch;

/// Shared between the gateway, which begins to drain, those who would go on for long, and the admin listener, which says
/// so. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Draining(watch::Sender<bool>);

impl Draining {
    /// From now on the process is not ready. There is no way back.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether [`Self::begin`] was called.
    pub fn is_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when [`Self::begin`] is called, at once if it was.
    pub async fn begun(&self) {
        let mut told = self.0.subscribe();
        let _sender_is_here = told.wait_for(|begun| *begun).await;
    }
}

impl Default for Draining {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}
