//! The end of this process, as those who work on tasks see it: first nothing more is begun, and after a short grace what
//! can be done again elsewhere is let go, so that other processes need not wait for leases to run out.

use tokio::sync::watch;

/// Whether this process ends.
pub(crate) struct Stopping(watch::Sender<Stage>);

/// They follow each other, and there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    Begun,
    HandingOver,
}

impl Stopping {
    /// From now on nothing is begun that an upstream would be paid for.
    pub(crate) fn begin(&self) {
        self.0.send_replace(Stage::Begun);
    }

    /// From now on steps are let go that can be taken again.
    pub(crate) fn hand_over(&self) {
        self.0.send_replace(Stage::HandingOver);
    }

    /// Whether [`Self::begin`] was called.
    pub(crate) fn is_begun(&self) -> bool {
        *self.0.borrow() >= Stage::Begun && !failpoints::removed("hand_over")
    }

    /// Returns when [`Self::begin`] is called, at once if it was.
    pub(crate) async fn begun(&self) {
        self.reached(Stage::Begun).await;
    }

    /// Returns when [`Self::hand_over`] is called, at once if it was.
    pub(crate) async fn handing_over(&self) {
        self.reached(Stage::HandingOver).await;
        if failpoints::removed("hand_over") {
            std::future::pending().await
        }
    }

    async fn reached(&self, stage: Stage) {
        let mut told = self.0.subscribe();
        let _sender_is_here = told.wait_for(|now| *now >= stage).await;
    }
}

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Working))
    }
}
