//! What a step has in hand at this moment: by which claim, and whether it may be interrupted.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use crate::stopping::Stopping;

/// The grip of one step.
pub(crate) struct Grip {
    /// The epoch of the claim that counts.
    epoch: AtomicU64,
    /// What is under way that must come to its end.
    busy: AtomicUsize,
}

/// Something is under way that must come to its end, until this is dropped.
pub(crate) struct Busy<'a>(&'a Grip);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Grip {
    /// By the claim of that epoch.
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch: AtomicU64::new(epoch), busy: AtomicUsize::new(0) }
    }

    /// The epoch of the claim that counts.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// A later claim counts from now on.
    pub(crate) fn renewed(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// From now on the step must not be interrupted.
    pub(crate) fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    /// Returns when the process ends and the step may be interrupted. To be polled after the step, by the same task: whatever
    /// moves the step on asks here, too, and it stands still in between.
    pub(crate) async fn may_let_go(&self, stopping: &Stopping) {
        stopping.handing_over().await;
        poll_fn(|_context| match self.busy.load(Ordering::Relaxed) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_must_come_to_its_end_does_and_what_follows_is_let_go() {
        let (grip, stopping) = (Grip::new(1), Stopping::default());
        stopping.hand_over();
        let (mut is_paid, mut is_polled) = (false, false);
        let step = async {
            let busy = grip.busy();
            sleep(Duration::from_secs(5)).await;
            is_paid = true;
            drop(busy);
            sleep(Duration::from_secs(5)).await;
            is_polled = true;
        };
        tokio::select! {
            biased;
            () = step => {}
            () = grip.may_let_go(&stopping) => {}
        }
        assert!(is_paid && !is_polled);
    }
}
