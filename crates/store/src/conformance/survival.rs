//! What was answered is kept, and what failed harms nobody else.

use domain::TaskEvent;
use tokio::task::JoinSet;

use super::Harness;
use super::records::{asset, key};
use super::samples::{
    LEASE, NOW, UNLIMITED, accepted, advance, claim_all, claim_one, create, full_task, intended, load, task,
};
use crate::{Admission, Next, StoreError, Terms};

/// Tasks, attempts, slots, assets and keys.
pub async fn everything_survives_a_crash(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &full_task("running", "ann")).await;
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, intended("main"), Next::Keep { lease: LEASE }).await;
    advance(&*store, &mut claim, accepted("h"), Next::Due { after: LEASE }).await;
    create(&*store, &task("ended", "ann")).await;
    let mut ended = claim_one(&*store).await;
    advance(&*store, &mut ended, TaskEvent::Cancelled, NOW).await;
    store.put_asset(&asset("00ff")).await.expect("put");
    store.put_key(&key("ann", 1, 10)).await.expect("put");
    drop(store);

    harness.crash().await;
    let store = harness.store();
    assert_eq!(load(&*store, &claim.task.id).await, claim.task);
    assert_eq!(load(&*store, &ended.task.id).await, ended.task);
    assert_eq!(store.live_holdings().await.expect("live holdings").len(), 1);
    assert_eq!(store.next_due_in().await.expect("next due"), Some(LEASE));
    assert!(store.asset(&asset("00ff").id).await.expect("asset").is_some());
    assert_eq!(store.keys().await.expect("keys"), [key("ann", 1, 10)]);
    let admission = store.create(&task("third", "ann"), &Terms::concurrent_tasks(1)).await;
    assert!(matches!(admission, Ok(Admission::AtLimit { live: 1 })));
}

/// Until its lease ends; then the next epoch is higher than any before.
pub async fn a_claim_survives_a_crash(harness: &mut dyn Harness) {
    create(&*harness.store(), &task("a", "ann")).await;
    let before = claim_one(&*harness.store()).await;
    harness.crash().await;
    let store = harness.store();
    assert!(claim_all(&*store).await.is_empty());
    harness.pass(LEASE);
    assert!(claim_one(&*store).await.epoch > before.epoch);
}

/// Writes that run at one time may share a transaction; they share no fate.
pub async fn a_failing_write_does_no_harm_to_its_neighbours(harness: &mut dyn Harness) {
    let mut creates = JoinSet::new();
    for number in 0..60 {
        let store = harness.store();
        let id = format!("t{}", number / 2);
        creates
            .spawn(async move { store.create(&task(&id, "ann"), &Terms::concurrent_tasks(UNLIMITED)).await });
    }
    let results = creates.join_all().await;
    let admitted = results.iter().filter(|result| matches!(result, Ok(Admission::Admitted))).count();
    let refused = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict(_)))).count();
    assert_eq!((admitted, refused), (30, 30));
    let store = harness.store();
    assert_eq!(claim_all(&*store).await.len(), 30);
    let over = store.create(&task("over", "ann"), &Terms::concurrent_tasks(30)).await;
    assert!(matches!(over, Ok(Admission::AtLimit { live: 30 })), "the refused took no slot");
}
