//! Changing tasks: only by who holds the claim and has read the newest version.

use std::time::Duration;

use domain::{AssetId, MediaKind, Output, OutputMedia, Source, TaskEvent};

use super::Harness;
use super::samples::{
    LEASE, NOW, accepted, advance, apply, claim_all, claim_one, create, full_task, intended, load, task,
};
use crate::{Next, StoreError};

/// After each step the stored task equals the one in hand.
pub async fn a_whole_life_is_stored_step_by_step(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &full_task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let output = |media| Output { kind: MediaKind::Video, media };
    let stored =
        OutputMedia::Stored { asset: AssetId::new("f00"), media_type: "video/mp4".into(), bytes: 1 << 40 };
    let remote = OutputMedia::Remote { url: "https://example.com/b.mp4".into() };
    let steps = [
        intended("first"),
        TaskEvent::SubmitRejected { reason: "busy".into() },
        intended("second"),
        TaskEvent::SubmitUnknown { reason: "reset".into() },
        accepted("handle"),
        TaskEvent::Progressed { percent: Some(50) },
        TaskEvent::Ready { sources: vec![Source::open(MediaKind::Video, "https://example.com/a.mp4")] },
        TaskEvent::Collected { outputs: vec![output(stored), output(remote)] },
    ];
    for (step, event) in (1..).zip(steps) {
        advance(&*store, &mut claim, event, Next::Keep { lease: LEASE }).await;
        assert_eq!(claim.task.version, step);
        assert_eq!(load(&*store, &claim.task.id).await, claim.task);
    }
    assert!(claim.task.state.is_terminal());
}

/// A task read before the last write cannot be written, and nothing of it is.
pub async fn a_stale_version_loses(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let mut stale = claim.clone();
    advance(&*store, &mut claim, intended("new"), Next::Keep { lease: LEASE }).await;
    apply(&mut stale.task, TaskEvent::Cancelled);
    assert!(matches!(store.advance(&stale.task, stale.epoch, NOW, None).await, Err(StoreError::Stale)));
    assert_eq!(load(&*store, &claim.task.id).await, claim.task);
}

/// The version decides, not luck.
pub async fn of_two_writers_with_one_claim_one_wins(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let claim = claim_one(&*store).await;
    let (mut one, mut two) = (claim.task.clone(), claim.task);
    apply(&mut one, intended("one"));
    apply(&mut two, intended("two"));
    let keep = Next::Keep { lease: LEASE };
    let results = tokio::join!(
        store.advance(&one, claim.epoch, keep, None),
        store.advance(&two, claim.epoch, keep, None)
    );
    let mut winner = match results {
        (Ok(_), Err(StoreError::Stale)) => one,
        (Err(StoreError::Stale), Ok(_)) => two,
        other => panic!("one wins and one is stale: {other:?}"),
    };
    winner.version += 1;
    assert_eq!(load(&*store, &winner.id).await, winner);
}

/// Neither a new task, nor one that does not exist, nor with a guessed epoch.
pub async fn a_task_that_is_not_claimed_cannot_be_advanced(harness: &mut dyn Harness) {
    let store = harness.store();
    let task = task("a", "ann");
    assert!(matches!(store.advance(&task, 0, NOW, None).await, Err(StoreError::Stale)));
    create(&*store, &task).await;
    for epoch in 0..3 {
        assert!(matches!(store.advance(&task, epoch, NOW, None).await, Err(StoreError::Stale)));
    }
    let claim = claim_one(&*store).await;
    assert!(matches!(store.advance(&task, claim.epoch + 1, NOW, None).await, Err(StoreError::Stale)));
}

/// From the moment of the write.
pub async fn keep_keeps_the_claim_and_renews_the_lease(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    harness.pass(LEASE / 2);
    advance(&*store, &mut claim, intended("main"), Next::Keep { lease: LEASE }).await;
    harness.pass(LEASE - Duration::from_millis(1));
    assert!(claim_all(&*store).await.is_empty());
    advance(&*store, &mut claim, accepted("h"), Next::Keep { lease: LEASE }).await;
    harness.pass(LEASE);
    assert_eq!(claim_one(&*store).await.task, claim.task);
}

/// Even for the same epoch with the new version.
pub async fn due_ends_the_claim(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, intended("main"), NOW).await;
    apply(&mut claim.task, accepted("h"));
    assert!(matches!(store.advance(&claim.task, claim.epoch, NOW, None).await, Err(StoreError::Stale)));
    assert!(claim_one(&*store).await.epoch > claim.epoch);
}

/// Whatever `Next` says and however long it waits.
pub async fn a_terminal_task_is_never_claimed_nor_advanced(harness: &mut dyn Harness) {
    let store = harness.store();
    for (id, next) in [("due", NOW), ("kept", Next::Keep { lease: LEASE })] {
        create(&*store, &task(id, "ann")).await;
        let mut claim = claim_one(&*store).await;
        advance(&*store, &mut claim, TaskEvent::DeadlinePassed, next).await;
        harness.pass(2 * LEASE);
        assert!(claim_all(&*store).await.is_empty());
        assert!(matches!(store.advance(&claim.task, claim.epoch, next, None).await, Err(StoreError::Stale)));
        store.release(&[(claim.task.id.clone(), claim.epoch)], Duration::ZERO).await.expect("release");
        assert!(claim_all(&*store).await.is_empty());
        assert_eq!(load(&*store, &claim.task.id).await, claim.task);
    }
}
