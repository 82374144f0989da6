//! What every back end must do, written against `dyn Limiter` alone.
//!
//! A back end implements [`Harness`] and stamps the suite onto it: `limits::stamp_conformance!(MyHarness);` makes one
//! test of each behaviour. A clock may run on by itself as long as a test takes, so the suite's limits are slow ones.

pub mod rates;
mod samples;
pub mod slots;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::Limiter;

/// A back end under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A limiter with nothing in use.
    async fn open() -> Self
    where
        Self: Sized;

    /// The limiter.
    fn limiter(&self) -> Arc<dyn Limiter>;

    /// Moves the limiter's clock on.
    async fn pass(&self, time: Duration);

    /// The time that has passed for the limiter, of itself and by [`Self::pass`].
    fn now(&self) -> Duration;
}

/// Makes one `#[tokio::test]` of each behaviour for the back end of that [`Harness`].
#[macro_export]
macro_rules! stamp_conformance {
    ($harness:ty) => {
        $crate::stamp_conformance! { @each $harness =>
            rates {
                a_burst_passes_at_once_and_no_more
                a_refused_request_passes_after_its_wait_and_not_before
                the_status_counts_down
                limits_are_counted_apart
                all_limits_count_a_request_or_none_does
                the_limit_that_lets_one_wait_longest_is_told
                the_tightest_limit_is_told
                without_limits_everything_passes
                a_raised_limit_does_not_wait_for_the_old_one
                a_minute_above_the_limit_has_no_window_above_it
                parallel_requests_pass_exactly_the_burst
                parallel_requests_on_several_limits_leave_nothing_behind
            }
            slots {
                parallel_takers_get_exactly_the_slots
                all_slots_are_taken_or_none
                the_first_full_key_is_told
                a_bound_of_zero_has_no_slots
                a_slot_that_was_given_back_is_free
                only_the_holder_gives_a_slot_back
                a_task_takes_its_slot_once
                a_lease_ends_by_itself
                a_renewed_lease_goes_on
                held_slots_count_whatever_the_bound_is
            }
        }
    };
    (@each $harness:ty => $($module:ident { $($behaviour:ident)+ })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $behaviour() {
                let harness = <$harness as $crate::conformance::Harness>::open().await;
                $crate::conformance::$module::$behaviour(&harness).await;
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_stamped() {
        let list = include_str!("conformance.rs");
        let sources = [include_str!("conformance/rates.rs"), include_str!("conformance/slots.rs")];
        for line in sources.iter().flat_map(|source| source.lines()) {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let name = rest.split('(').next().unwrap();
            assert!(list.lines().any(|line| line.trim() == name), "{name} is not in stamp_conformance!");
        }
    }
}
