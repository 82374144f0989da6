//! Creating tasks, within their owner's limit.

use domain::{TaskEvent, TaskId};
use tokio::task::JoinSet;

use super::Harness;
use super::samples::{NOW, UNLIMITED, advance, claim_all, create, full_task, load, task};
use crate::{Admission, StoreError};

/// Nothing is lost or changed, not even the order of a vendor's fields or the last bit of a number.
pub async fn a_created_task_is_loaded_equal(harness: &mut dyn Harness) {
    let store = harness.store();
    for task in [task("little", "ann"), full_task("everything", "ann")] {
        create(&*store, &task).await;
        let loaded = load(&*store, &task.id).await;
        assert_eq!(loaded, task);
        assert_eq!(serde_json::to_string(&loaded.request).ok(), serde_json::to_string(&task.request).ok());
    }
}

/// Absence is an answer, not an error.
pub async fn a_task_that_was_never_created_is_absent(harness: &mut dyn Harness) {
    let loaded = harness.store().load(&TaskId::new("nobody")).await;
    assert!(matches!(loaded, Ok(None)));
}

/// The first stays as it is, and the second takes no slot.
pub async fn a_second_task_of_the_same_id_is_refused(harness: &mut dyn Harness) {
    let store = harness.store();
    let first = task("same", "ann");
    create(&*store, &first).await;
    let second = full_task("same", "bob");
    assert!(matches!(store.create(&second, 1).await, Err(StoreError::Conflict(_))));
    assert_eq!(load(&*store, &first.id).await, first);
    let admission = store.create(&task("other", "bob"), 1).await;
    assert!(matches!(admission, Ok(Admission::Admitted)), "bob has no task yet");
}

/// Of 50 at once on a limit of 20 exactly 20 pass, and each that ends lets exactly one more in.
pub async fn parallel_creates_never_exceed_the_limit(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut creates = JoinSet::new();
    for number in 0..50 {
        let store = harness.store();
        creates.spawn(async move { store.create(&task(&format!("t{number}"), "ann"), 20).await });
    }
    let admissions: Vec<Admission> =
        creates.join_all().await.into_iter().collect::<Result<_, _>>().expect("create");
    let admitted = admissions.iter().filter(|admission| **admission == Admission::Admitted).count();
    assert_eq!(admitted, 20);
    assert!(admissions.contains(&Admission::AtLimit { live: 20 }));
    assert_eq!(claim_all(&*store).await.len(), 20, "only the admitted are stored");

    harness.pass(super::samples::LEASE);
    let mut claims = claim_all(&*store).await;
    advance(&*store, &mut claims[0], TaskEvent::Cancelled, NOW).await;
    let again = store.advance(&claims[0].task, claims[0].epoch, NOW, None).await;
    assert!(matches!(again, Err(StoreError::Stale)), "it ends once");
    assert!(matches!(store.create(&task("next", "ann"), 20).await, Ok(Admission::Admitted)));
    let over = store.create(&task("over", "ann"), 20).await;
    assert!(matches!(over, Ok(Admission::AtLimit { live: 20 })));
}

/// One owner's tasks are nothing to another.
pub async fn the_limit_is_per_owner(harness: &mut dyn Harness) {
    let store = harness.store();
    for (id, owner) in [("a", "ann"), ("b", "bob")] {
        assert!(matches!(store.create(&task(id, owner), 1).await, Ok(Admission::Admitted)));
    }
    let second = store.create(&task("c", "ann"), 1).await;
    assert!(matches!(second, Ok(Admission::AtLimit { live: 1 })));
}

/// Also for an owner that the store has never seen, and a limit that was lowered below what is live.
pub async fn a_limit_of_zero_admits_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    assert!(matches!(store.create(&task("a", "ann"), 0).await, Ok(Admission::AtLimit { live: 0 })));
    assert!(matches!(store.create(&task("a", "ann"), UNLIMITED).await, Ok(Admission::Admitted)));
    assert!(matches!(store.create(&task("b", "ann"), 0).await, Ok(Admission::AtLimit { live: 1 })));
}
