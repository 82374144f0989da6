//! What every back end must do, written against `dyn Store` alone.
//!
//! A back end implements [`Harness`] and stamps the suite onto it: `store::stamp_conformance!(MyHarness);` makes one test
//! of each behaviour.

pub mod advances;
pub mod attempts;
pub mod books;
pub mod claims;
pub mod creation;
pub mod daily;
pub mod deliveries;
pub mod inbox;
pub mod inspections;
pub mod late;
pub mod money;
pub mod operations;
pub mod records;
pub mod retention;
mod samples;
pub mod survival;
pub mod wishes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::Store;

/// A back end under test.
#[async_trait]
pub trait Harness: Send {
    /// A fresh, empty store. Its clock begins within the first hour of 1970, and stands still except for [`Self::pass`].
    async fn open() -> Self
    where
        Self: Sized;

    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Moves the store's clock on.
    fn pass(&self, time: Duration);

    /// Puts a store in place of the present one that has only what that one would leave if it lost its process now.
    async fn crash(&mut self);
}

/// Makes one `#[tokio::test]` of each behaviour for the back end of that [`Harness`].
#[macro_export]
macro_rules! stamp_conformance {
    ($harness:ty) => {
        $crate::stamp_conformance! { @each $harness =>
            creation {
                a_created_task_is_loaded_equal
                a_task_that_was_never_created_is_absent
                a_second_task_of_the_same_id_is_refused
                parallel_creates_never_exceed_the_limit
                the_limit_is_per_owner
                a_limit_of_zero_admits_nothing
                one_key_makes_one_task
                a_key_with_another_request_is_refused
                a_key_is_its_owners_and_expires
            }
            money {
                parallel_creates_never_exceed_the_budget
                a_success_spends_its_price_and_frees_the_rest
                what_is_not_settled_stays_set_aside
                an_end_is_settled_once
            }
            books {
                the_ledger_is_read_in_pages
                a_span_of_the_ledger_has_its_rows_alone
                the_ledger_is_summed
                held_money_is_listed_and_settled_once
                work_is_known_by_its_handle
            }
            inbox {
                a_callback_is_heard_once_and_makes_its_task_due
                the_handle_that_a_callback_named_is_found
                a_handle_is_of_one_attempt
            }
            claims {
                a_new_task_is_due_at_once
                two_claimers_never_get_the_same_task
                claims_come_oldest_due_first_and_respect_max
                a_task_is_not_claimed_before_its_delay_has_passed
                an_expired_lease_is_claimed_again_with_a_higher_epoch
                an_expired_lease_that_nobody_took_still_counts
                a_released_task_comes_back_after_the_delay
                a_claim_that_is_no_longer_held_cannot_be_released
                the_next_due_time_is_exact
                claims_that_lapse_are_counted_until_one_comes_to_its_end
                a_step_that_crashed_counts_and_one_not_taken_does_not
                tasks_that_crash_are_listed_and_pardoned
            }
            advances {
                a_whole_life_is_stored_step_by_step
                a_stale_version_loses
                of_two_writers_with_one_claim_one_wins
                a_task_that_is_not_claimed_cannot_be_advanced
                keep_keeps_the_claim_and_renews_the_lease
                due_ends_the_claim
                a_terminal_task_is_never_claimed_nor_advanced
            }
            attempts {
                a_second_live_attempt_is_refused_and_changes_nothing
                another_attempt_may_follow_a_failed_one
                all_live_tasks_hold_and_ended_ones_do_not
                live_tasks_are_counted_by_state
                versions_of_accounts_are_those_of_live_and_watched_attempts
            }
            daily {
                parallel_creates_never_exceed_the_tasks_of_a_day
                parallel_creates_never_exceed_the_spend_of_a_day
                a_task_counts_in_all_its_limits_or_in_none
                what_makes_no_task_counts_nothing
                an_end_gives_back_what_it_does_not_spend
                three_who_end_a_task_give_back_once
                an_end_after_midnight_changes_nothing_today
                parallel_attempts_never_exceed_the_day_of_an_account
                an_attempt_is_counted_once_however_often_it_is_tried
                an_attempt_that_nobody_pays_for_is_given_back
                an_attempt_that_was_never_made_is_given_back_at_the_end
                who_no_longer_holds_a_task_counts_nothing
                days_that_are_over_are_deleted
            }
            deliveries {
                a_message_is_stored_with_the_end_of_its_task
                a_stale_writer_leaves_no_message
                a_message_is_tried_until_it_is_settled
                a_claimed_message_is_sent_by_one
                a_busy_host_keeps_nobody_else_waiting
                dead_messages_are_listed_and_replayed
            }
            late {
                an_ended_task_is_watched_until_its_time_is_over
                a_late_result_is_paid_for_once
                what_is_still_set_aside_pays_for_a_late_result
                a_late_failure_frees_what_is_still_set_aside
                a_stale_look_changes_nothing
                a_free_task_has_late_results_too
            }
            retention {
                a_task_goes_when_nothing_needs_it_any_more
                random_histories_lose_nothing_before_its_time
                results_without_an_end_go_with_their_task
                keys_go_when_their_lifetimes_are_over
                an_asset_goes_only_when_it_has_expired
            }
            wishes {
                a_list_has_the_owners_tasks_by_age
                pages_of_a_list_follow_each_other
                a_wish_to_cancel_comes_with_the_next_claim
                an_ended_task_takes_no_wish_to_cancel
                only_an_ended_task_can_be_forgotten
                a_waiting_task_can_be_made_due
            }
            operations {
                tasks_are_found_by_what_they_are
                a_search_looks_at_a_bounded_number
                a_drained_account_stays_drained
                the_message_of_a_task_is_found
                what_is_live_is_counted
                messages_are_counted_by_what_became_of_them
            }
            inspections {
                a_task_is_found_with_all_that_belongs_to_it
                messages_are_read_in_parts
                what_an_owner_uses_is_told
            }
            records {
                an_asset_is_read_back
                a_key_is_found_by_its_digest
                a_second_key_of_an_owner_or_digest_is_refused
                keys_are_listed_oldest_first
                a_key_is_revoked_once
                a_store_answers
            }
            survival {
                everything_survives_a_crash
                a_claim_survives_a_crash
                a_failing_write_does_no_harm_to_its_neighbours
            }
        }
    };
    (@each $harness:ty => $($module:ident { $($behaviour:ident)+ })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $behaviour() {
                let mut harness = <$harness as $crate::conformance::Harness>::open().await;
                $crate::conformance::$module::$behaviour(&mut harness).await;
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_stamped() {
        let list = include_str!("conformance.rs");
        let sources = [
            include_str!("conformance/advances.rs"),
            include_str!("conformance/attempts.rs"),
            include_str!("conformance/books.rs"),
            include_str!("conformance/claims.rs"),
            include_str!("conformance/creation.rs"),
            include_str!("conformance/daily.rs"),
            include_str!("conformance/deliveries.rs"),
            include_str!("conformance/inbox.rs"),
            include_str!("conformance/inspections.rs"),
            include_str!("conformance/late.rs"),
            include_str!("conformance/money.rs"),
            include_str!("conformance/operations.rs"),
            include_str!("conformance/records.rs"),
            include_str!("conformance/retention.rs"),
            include_str!("conformance/survival.rs"),
            include_str!("conformance/wishes.rs"),
        ];
        for line in sources.iter().flat_map(|source| source.lines()) {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let name = rest.split('(').next().unwrap();
            assert!(list.lines().any(|line| line.trim() == name), "{name} is not in stamp_conformance!");
        }
    }
}
