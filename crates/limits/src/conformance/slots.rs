//! Tasks at one time.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Harness;
use super::samples::{account, client, holding, task};
use crate::SlotVerdict;

const LEASE: Duration = Duration::from_secs(60);

/// 3,000 at once on 1,000 slots.
pub async fn parallel_takers_get_exactly_the_slots(harness: &dyn Harness) {
    let mut takers = JoinSet::new();
    for number in 0..3_000 {
        let limiter = harness.limiter();
        let slots = [(client("a"), 1_000), (account("x"), 2_000)];
        takers.spawn(async move { limiter.acquire(&task(&format!("t{number}")), &slots, LEASE).await });
    }
    let verdicts = takers.join_all().await;
    let taken = verdicts.iter().filter(|verdict| **verdict == SlotVerdict::Taken).count();
    let full = SlotVerdict::Full { index: 0, in_use: 1_000 };
    let refused = verdicts.iter().filter(|verdict| **verdict == full).count();
    assert_eq!((taken, refused), (1_000, 2_000));
    assert_eq!(harness.limiter().in_use(&client("a")).await, 1_000);
    assert_eq!(harness.limiter().in_use(&account("x")).await, 1_000);
}

/// A full account does not use up the client's slots.
pub async fn all_slots_are_taken_or_none(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let slots = [(client("a"), 5), (account("x"), 1)];
    assert_eq!(limiter.acquire(&task("t1"), &slots, LEASE).await, SlotVerdict::Taken);
    for other in ["t2", "t3"] {
        let verdict = limiter.acquire(&task(other), &slots, LEASE).await;
        assert_eq!(verdict, SlotVerdict::Full { index: 1, in_use: 1 });
    }
    assert_eq!(limiter.in_use(&client("a")).await, 1);
}

/// In the order in which they were named.
pub async fn the_first_full_key_is_told(harness: &dyn Harness) {
    let limiter = harness.limiter();
    let slots = [(client("a"), 2), (account("x"), 1), (account("y"), 1)];
    limiter.acquire(&task("t1"), &slots, LEASE).await;
    let verdict = limiter.acquire(&task("t2"), &slots, LEASE).await;
    assert_eq!(verdict, SlotVerdict::Full { index: 1, in_use: 1 });
}

/// Nobody has held one yet, either.
pub async fn a_bound_of_zero_has_no_slots(harness: &dyn Harness) {
    let verdict = harness.limiter().acquire(&task("t"), &[(client("a"), 0)], LEASE).await;
    assert_eq!(verdict, SlotVerdict::Full { index: 0, in_use: 0 });
}

/// At once, for exactly one other.
pub async fn a_slot_that_was_given_back_is_free(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 1), (account("x"), 1)]);
    limiter.acquire(&task("t1"), &slots, LEASE).await;
    limiter.release(&holding("t1", &[client("a"), account("x")])).await;
    assert_eq!(limiter.in_use(&client("a")).await, 0);
    assert_eq!(limiter.acquire(&task("t2"), &slots, LEASE).await, SlotVerdict::Taken);
    assert!(matches!(limiter.acquire(&task("t3"), &slots, LEASE).await, SlotVerdict::Full { .. }));
}

/// Giving back twice, or what one does not hold, changes nothing.
pub async fn only_the_holder_gives_a_slot_back(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 2)]);
    limiter.acquire(&task("t1"), &slots, LEASE).await;
    limiter.acquire(&task("t2"), &slots, LEASE).await;
    for stranger in ["t1", "t1", "t3"] {
        limiter.release(&holding(stranger, &[client("a"), client("b")])).await;
    }
    assert_eq!(limiter.in_use(&client("a")).await, 1);
}

/// A caller may ask again when it does not know whether it got it, even when all are taken.
pub async fn a_task_takes_its_slot_once(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 2)]);
    limiter.acquire(&task("t1"), &slots, LEASE).await;
    limiter.acquire(&task("t2"), &slots, LEASE).await;
    assert_eq!(limiter.acquire(&task("t1"), &slots, LEASE).await, SlotVerdict::Taken);
    assert_eq!(limiter.in_use(&client("a")).await, 2);
}

/// A holder that died gives its slots back this way, and only its own.
pub async fn a_lease_ends_by_itself(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 2)]);
    limiter.acquire(&task("short"), &slots, LEASE).await;
    limiter.acquire(&task("long"), &slots, 10 * LEASE).await;
    harness.pass(LEASE / 2).await;
    assert_eq!(limiter.in_use(&client("a")).await, 2);
    harness.pass(LEASE).await;
    assert_eq!(limiter.in_use(&client("a")).await, 1);
    assert_eq!(limiter.acquire(&task("t3"), &slots, LEASE).await, SlotVerdict::Taken);
    let full = SlotVerdict::Full { index: 0, in_use: 2 };
    assert_eq!(limiter.acquire(&task("t4"), &slots, LEASE).await, full);
}

/// As long as somebody renews it.
pub async fn a_renewed_lease_goes_on(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 1)]);
    limiter.acquire(&task("t1"), &slots, LEASE).await;
    for _renewal in 0..3 {
        harness.pass(LEASE * 2 / 3).await;
        limiter.hold(&[holding("t1", &[client("a")])], LEASE).await;
        let full = SlotVerdict::Full { index: 0, in_use: 1 };
        assert_eq!(limiter.acquire(&task("t2"), &slots, LEASE).await, full);
    }
    harness.pass(LEASE * 2).await;
    assert_eq!(limiter.acquire(&task("t2"), &slots, LEASE).await, SlotVerdict::Taken);
}

/// After a restart they are known from the store, and are in use whatever the bound has become.
pub async fn held_slots_count_whatever_the_bound_is(harness: &dyn Harness) {
    let (limiter, slots) = (harness.limiter(), [(client("a"), 1)]);
    let holdings: Vec<_> =
        (0..600).map(|number| holding(&format!("t{number}"), &[client("a"), account("x")])).collect();
    limiter.hold(&holdings, LEASE).await;
    assert_eq!(limiter.in_use(&account("x")).await, 600);
    let verdict = limiter.acquire(&task("more"), &slots, LEASE).await;
    assert_eq!(verdict, SlotVerdict::Full { index: 0, in_use: 600 });
    for holding in &holdings {
        limiter.release(holding).await;
    }
    assert_eq!(limiter.acquire(&task("more"), &slots, LEASE).await, SlotVerdict::Taken);
}
