//! How often what may be done again is done again.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::{Failure, behind};
use crate::StoreError;

const TRIES_MAX: u32 = 8;
const PAUSE_MAX_MILLIS: u64 = 64;
/// How long it is tried to find out what became of a commit that was not answered: longer than a server takes to restart.
const DOUBT_MAX: Duration = Duration::from_secs(10);
const DOUBT_PAUSE: Duration = Duration::from_millis(250);

/// The tries of one operation.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    doubt: Option<Instant>,
}

impl Tries {
    /// Whether to try again after that error: the transaction met others, and was taken back. This is after a short while,
    /// in which they may finish.
    pub(super) async fn again_after(&mut self, error: &StoreError) -> bool {
        behind(error).is_some_and(Failure::is_passing) && self.again().await
    }

    /// Like [`Self::again_after`], and also if the connection was lost. Only for what has not begun to commit.
    pub(super) async fn again_soon(&mut self, error: &StoreError) -> bool {
        behind(error).is_some_and(|it| it.is_passing() || it.leaves_doubt()) && self.again().await
    }

    async fn again(&mut self) -> bool {
        self.count += 1;
        // Those that met must not meet again: each waits for another while.
        let longest = (1 << self.count.min(16)).min(PAUSE_MAX_MILLIS);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=longest))).await;
        self.count < TRIES_MAX
    }

    /// Like [`Self::again_after`], and also if nobody knows what became of the transaction. Only for what does no harm when
    /// it is done again, or finds out by itself whether it was done.
    pub(super) async fn again_in_doubt(&mut self, error: &StoreError) -> bool {
        let is_away = self.is_in_doubt() && matches!(error, StoreError::Unavailable(_));
        if !is_away && !behind(error).is_some_and(Failure::leaves_doubt) {
            return self.again_after(error).await;
        }
        let give_up_at = *self.doubt.get_or_insert_with(|| Instant::now() + DOUBT_MAX);
        let pause = if is_away { DOUBT_PAUSE } else { Duration::ZERO };
        tokio::time::sleep(pause).await;
        Instant::now() < give_up_at
    }

    /// Whether an earlier try may have been done.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }
}
