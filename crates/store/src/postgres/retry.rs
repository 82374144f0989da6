//! How often what may be done again is done again.

use std::time::Duration;

use super::failure::behind;
use crate::StoreError;

const TRIES_MAX: u32 = 8;
const PAUSE_MAX_MILLIS: u64 = 64;

/// The tries of one operation.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Whether to try again after that error; after a short while, in which those that it met may finish.
    pub(super) async fn again_after(&mut self, error: &StoreError) -> bool {
        behind(error).is_some_and(super::failure::Failure::is_passing) && self.again().await
    }

    /// Whether the same may be tried again if nobody knows what became of it: it must find out by itself.
    pub(super) async fn again_in_doubt(&mut self, error: &StoreError) -> bool {
        behind(error).is_some_and(super::failure::Failure::leaves_doubt) && self.again().await
    }

    async fn again(&mut self) -> bool {
        self.0 += 1;
        if self.0 >= TRIES_MAX {
            return false;
        }
        // Those that met must not meet again: each waits for another while.
        let longest = (1 << self.0).min(PAUSE_MAX_MILLIS);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=longest))).await;
        true
    }
}
