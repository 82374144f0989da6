//! Whether this process is about to stop.

use tokio::sync::watch;

/// Shared between the gateway, which begins to drain, those who would go on for long, and the admin listener, which says
/// so. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Draining(watch::Sender<Stage>);

/// They follow each other, and there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Announced,
    Begun,
}

impl Draining {
    /// From now on the process is not ready; it serves whoever still comes.
    pub fn announce(&self) {
        self.reach(Stage::Announced);
    }

    /// From now on the process is not ready, and what would go on for long ends.
    pub fn begin(&self) {
        self.reach(Stage::Begun);
    }

    /// Whether the process wants to be given work: neither of the two was called.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == Stage::Serving
    }

    /// Returns when [`Self::begin`] is called, at once if it was.
    pub async fn begun(&self) {
        let mut told = self.0.subscribe();
        let _sender_is_here = told.wait_for(|stage| *stage == Stage::Begun).await;
    }

    fn reach(&self, next: Stage) {
        self.0.send_if_modified(|stage| {
            let is_later = *stage < next;
            *stage = next.max(*stage);
            is_later
        });
    }
}

impl Default for Draining {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Serving))
    }
}
