//! Who works on a task, and when.

use std::collections::HashSet;
use std::time::Duration;

use domain::TaskEvent;
use tokio::task::JoinSet;

use super::Harness;
use super::samples::{LEASE, NOW, advance, claim_all, claim_one, create, ids, intended, task};
use crate::{Next, StoreError};

/// As it was created.
pub async fn a_new_task_is_due_at_once(harness: &mut dyn Harness) {
    let store = harness.store();
    let task = task("a", "ann");
    create(&*store, &task).await;
    assert_eq!(claim_one(&*store).await.task, task);
    assert!(claim_all(&*store).await.is_empty(), "it is claimed");
}

/// However many ask at once.
pub async fn two_claimers_never_get_the_same_task(harness: &mut dyn Harness) {
    let store = harness.store();
    for number in 0..40 {
        create(&*store, &task(&format!("t{number}"), "ann")).await;
    }
    let mut claimers = JoinSet::new();
    for number in 0..16 {
        let store = harness.store();
        claimers.spawn(async move { store.claim_due(&format!("w{number}"), LEASE, 3).await });
    }
    let claims: Vec<_> =
        claimers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().expect("claim").concat();
    assert_eq!(claims.len(), 40);
    assert_eq!(ids(&claims).into_iter().collect::<HashSet<_>>().len(), 40);
}

/// By due time, not by age.
pub async fn claims_come_oldest_due_first_and_respect_max(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("created first, due last", "ann")).await;
    let claim = claim_one(&*store).await;
    for id in ["second", "third", "fourth"] {
        harness.pass(Duration::from_millis(1));
        create(&*store, &task(id, "ann")).await;
    }
    harness.pass(Duration::from_millis(1));
    store.release(&[(claim.task.id, claim.epoch)], Duration::ZERO).await.expect("release");

    assert!(store.claim_due("worker", LEASE, 0).await.expect("claim").is_empty());
    let first = store.claim_due("worker", LEASE, 2).await.expect("claim");
    assert_eq!(ids(&first), ["second", "third"]);
    assert_eq!(ids(&claim_all(&*store).await), ["fourth", "created first, due last"]);
}

/// To the millisecond.
pub async fn a_task_is_not_claimed_before_its_delay_has_passed(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let after = Duration::from_secs(10);
    advance(&*store, &mut claim, intended("main"), Next::Due { after }).await;
    harness.pass(after - Duration::from_millis(1));
    assert!(claim_all(&*store).await.is_empty());
    harness.pass(Duration::from_millis(1));
    assert_eq!(claim_one(&*store).await.task, claim.task);
}

/// And the holder who was too slow changes nothing any more.
pub async fn an_expired_lease_is_claimed_again_with_a_higher_epoch(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut slow = claim_one(&*store).await;
    harness.pass(LEASE - Duration::from_millis(1));
    assert!(claim_all(&*store).await.is_empty());
    harness.pass(Duration::from_millis(1));
    let mut next = claim_one(&*store).await;
    assert!(next.epoch > slow.epoch);

    super::samples::apply(&mut slow.task, intended("slow"));
    assert!(matches!(store.advance(&slow.task, slow.epoch, NOW, None).await, Err(StoreError::Stale)));
    advance(&*store, &mut next, intended("next"), NOW).await;
    assert_eq!(claim_one(&*store).await.task, next.task);
}

/// What its holder learned of an upstream, at worst that it was paid for, must not be lost for being late.
pub async fn an_expired_lease_that_nobody_took_still_counts(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut late = claim_one(&*store).await;
    harness.pass(2 * LEASE);
    advance(&*store, &mut late, intended("main"), NOW).await;
    assert_eq!(claim_one(&*store).await.task, late.task);
}

/// Unchanged, with a new epoch.
pub async fn a_released_task_comes_back_after_the_delay(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let first = claim_one(&*store).await;
    let delay = Duration::from_secs(5);
    store.release(&[(first.task.id.clone(), first.epoch)], delay).await.expect("release");
    assert!(claim_all(&*store).await.is_empty());
    harness.pass(delay);
    let second = claim_one(&*store).await;
    assert_eq!(second.task, first.task);
    assert!(second.epoch > first.epoch);
    assert!(matches!(store.advance(&first.task, first.epoch, NOW, None).await, Err(StoreError::Stale)));
}

/// It is ignored, beside others that are released.
pub async fn a_claim_that_is_no_longer_held_cannot_be_released(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("lost", "ann")).await;
    let lost = claim_one(&*store).await;
    harness.pass(LEASE);
    let held_by_another = claim_one(&*store).await;
    create(&*store, &task("held", "ann")).await;
    let held = claim_one(&*store).await;

    let claims = [(lost.task.id, lost.epoch), (held.task.id, held.epoch), (domain::TaskId::new("none"), 1)];
    store.release(&claims, Duration::ZERO).await.expect("release");
    assert_eq!(ids(&claim_all(&*store).await), ["held"]);
    let advanced = store.advance(&held_by_another.task, held_by_another.epoch, NOW, None).await;
    assert!(advanced.is_ok(), "its claim was left alone");
}

/// New, claimed, waiting, overdue, ended.
pub async fn the_next_due_time_is_exact(harness: &mut dyn Harness) {
    let store = harness.store();
    let next = async || store.next_due_in().await.expect("next due");
    assert_eq!(next().await, None);
    create(&*store, &task("a", "ann")).await;
    assert_eq!(next().await, Some(Duration::ZERO));
    let mut claim = claim_one(&*store).await;
    assert_eq!(next().await, Some(LEASE));
    harness.pass(Duration::from_millis(10_001));
    assert_eq!(next().await, Some(LEASE - Duration::from_millis(10_001)));
    let after = Duration::from_secs(5);
    advance(&*store, &mut claim, intended("main"), Next::Due { after }).await;
    assert_eq!(next().await, Some(after));
    harness.pass(2 * after);
    assert_eq!(next().await, Some(Duration::ZERO));

    let mut claim = claim_one(&*store).await;
    let reason = "gone".to_owned();
    advance(&*store, &mut claim, domain::TaskEvent::SubmitNotSent { reason }, Next::Keep { lease: LEASE })
        .await;
    advance(&*store, &mut claim, domain::TaskEvent::Cancelled, NOW).await;
    assert_eq!(next().await, None);
}

/// A write that keeps the claim does not end the count: what follows it may be what its holders die of.
pub async fn claims_that_lapse_are_counted_until_one_comes_to_its_end(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    for crashes in 0..2 {
        assert_eq!(claim_one(&*store).await.crashes, crashes);
        harness.pass(LEASE);
    }
    harness.crash().await;
    let store = harness.store();
    harness.pass(LEASE);
    let mut claim = claim_one(&*store).await;
    assert_eq!(claim.crashes, 2, "it was over when the process was lost");
    advance(&*store, &mut claim, intended("kie-main"), Next::Keep { lease: LEASE }).await;
    harness.pass(LEASE);
    let mut claim = claim_one(&*store).await;
    assert_eq!(claim.crashes, 3);
    let reason = "gone".to_owned();
    advance(&*store, &mut claim, TaskEvent::SubmitUnknown { reason }, NOW).await;
    assert_eq!(claim_one(&*store).await.crashes, 0);
}

/// A crash of one step is like the loss of its holder. A claim that is given back in good order ends the row.
pub async fn a_step_that_crashed_counts_and_one_not_taken_does_not(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let first = claim_one(&*store).await;
    let held = (first.task.id.clone(), first.epoch);
    store.crashed(&held, LEASE).await.expect("crashed");
    store.crashed(&held, Duration::ZERO).await.expect("crashed");
    assert!(claim_all(&*store).await.is_empty(), "it comes back after the delay, and is no longer held");
    harness.pass(LEASE);
    let second = claim_one(&*store).await;
    assert_eq!((second.crashes, &second.task), (1, &first.task));
    let held = [(second.task.id.clone(), second.epoch)];
    store.defer(&held, Duration::ZERO).await.expect("defer");
    let third = claim_one(&*store).await;
    assert_eq!(third.crashes, 1);
    let held = [(third.task.id.clone(), third.epoch)];
    store.release(&held, Duration::ZERO).await.expect("release");
    assert_eq!(claim_one(&*store).await.crashes, 0);
}

/// Live ones only.
pub async fn tasks_that_crash_are_listed_and_pardoned(harness: &mut dyn Harness) {
    let store = harness.store();
    let crash = async |id: &str, times: u32| {
        create(&*store, &task(id, "ann")).await;
        for _time in 0..times {
            let claim = claim_one(&*store).await;
            store.crashed(&(claim.task.id, claim.epoch), Duration::ZERO).await.expect("crashed");
        }
        let claim = claim_one(&*store).await;
        store.defer(&[(claim.task.id, claim.epoch)], 2 * LEASE).await.expect("defer");
    };
    for (id, times) in [("never", 0), ("twice", 2), ("often", 4), ("ended", 3)] {
        crash(id, times).await;
    }
    harness.pass(2 * LEASE);
    let mut claims = claim_all(&*store).await;
    let mut ended = claims.pop().expect("the last");
    assert_eq!(ended.task.id.as_str(), "ended");
    advance(&*store, &mut ended, TaskEvent::DeadlinePassed, NOW).await;
    let listed = store.crashing(2, 10).await.expect("crashing");
    let listed: Vec<_> = listed.iter().map(|task| (task.task.as_str(), task.crashes)).collect();
    assert_eq!(listed, [("often", 4), ("twice", 2)]);
    assert_eq!(store.crashing(3, 10).await.expect("crashing").len(), 1);
    assert_eq!(store.crashing(0, 1).await.expect("crashing")[0].state, "queued");

    let claims: Vec<_> = claims.into_iter().map(|claim| (claim.task.id, claim.epoch)).collect();
    store.defer(&claims, LEASE).await.expect("defer");
    let often = domain::TaskId::new("often");
    assert!(store.pardon(&often).await.expect("pardon"));
    assert!(!store.pardon(&often).await.expect("pardon"), "it has no crashes any more");
    assert!(!store.pardon(&domain::TaskId::new("never")).await.expect("pardon"));
    let claim = claim_one(&*store).await;
    assert_eq!((claim.task.id, claim.crashes), (often, 0), "it is due at once");
}
