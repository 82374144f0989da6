//! What other processes on the same store have changed, where the store tells: so that nobody here waits for the next look.

use std::sync::Arc;

use store::Nudge;
use tokio::sync::broadcast::error::RecvError;

use crate::shared::Shared;

/// Listens; never ends.
pub(crate) async fn run(shared: &Shared) {
    let Some(mut nudges) = shared.store.nudges() else { return std::future::pending().await };
    loop {
        match nudges.recv().await {
            Ok(Nudge::Due) => shared.wake.notify_one(),
            Ok(Nudge::Changed(id)) if shared.watchers.are_there_for(&id) => {
                // If it cannot be read now, whoever waits looks by itself.
                if let Ok(Some(task)) = shared.store.load(&id).await {
                    shared.watchers.tell(&Arc::new(task));
                }
            }
            Ok(Nudge::Changed(_)) => {}
            // What was missed is found by looking.
            Err(RecvError::Lagged(_)) => shared.wake.notify_one(),
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
