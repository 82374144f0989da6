//! The line in front of a full account. Tasks that find no room come back one after another, in the order in which
//! they came, at a bounded rate: ten thousand waiting tasks cost no more work a second than a few.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::AccountName;
use tokio::time::Instant;

/// The shortest time between two tasks that come back to one account: bounds the work of waiting, and how fast slots
/// that come free are filled again.
const SPACING: Duration = Duration::from_millis(10);

/// The end of the line of each account.
#[derive(Default)]
pub(crate) struct Lines {
    last_turns: Mutex<HashMap<AccountName, Instant>>,
}

impl Lines {
    /// Queues up at `account`: how long until the turn comes, at least `soonest`. `spacing` is the time in which the
    /// account's rate lets one submission pass.
    pub(crate) fn queue_up(&self, account: &AccountName, soonest: Duration, spacing: Duration) -> Duration {
        let now = Instant::now();
        let mut turns = self.last_turns.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now + soonest;
        let turn = turns.get(account).map_or(earliest, |last| earliest.max(*last + spacing.max(SPACING)));
        turns.insert(account.clone(), turn);
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_long_line_keeps_its_order_and_a_bounded_rate() {
        let lines = Lines::default();
        let (account, soonest) = (AccountName::new("a"), Duration::from_millis(500));
        let turns: Vec<Duration> =
            (0..10_000).map(|_| lines.queue_up(&account, soonest, Duration::ZERO)).collect();
        assert_eq!(turns[0], soonest);
        assert!(turns.windows(2).all(|pair| pair[1] == pair[0] + SPACING));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(lines.queue_up(&account, soonest, Duration::ZERO), soonest, "an old line is forgotten");
        assert_eq!(lines.queue_up(&AccountName::new("b"), soonest, Duration::ZERO), soonest);
    }
}
