//! Creating tasks, within their owner's limit.

use std::time::Duration;

use domain::{TaskEvent, TaskId};
use tokio::task::JoinSet;

use super::Harness;
use super::samples::{NOW, UNLIMITED, advance, claim_all, create, full_task, load, task};
use crate::{Admission, IdempotencyKey, StoreError, Terms};

const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);

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
    assert!(matches!(store.create(&second, &Terms::concurrent_tasks(1)).await, Err(StoreError::Conflict(_))));
    assert_eq!(load(&*store, &first.id).await, first);
    let admission = store.create(&task("other", "bob"), &Terms::concurrent_tasks(1)).await;
    assert!(matches!(admission, Ok(Admission::Admitted)), "bob has no task yet");
}

/// Of 50 at once on a limit of 20 exactly 20 pass, and each that ends lets exactly one more in.
pub async fn parallel_creates_never_exceed_the_limit(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut creates = JoinSet::new();
    for number in 0..50 {
        let store = harness.store();
        creates.spawn(async move {
            store.create(&task(&format!("t{number}"), "ann"), &Terms::concurrent_tasks(20)).await
        });
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
    assert!(matches!(
        store.create(&task("next", "ann"), &Terms::concurrent_tasks(20)).await,
        Ok(Admission::Admitted)
    ));
    let over = store.create(&task("over", "ann"), &Terms::concurrent_tasks(20)).await;
    assert!(matches!(over, Ok(Admission::AtLimit { live: 20 })));
}

/// One owner's tasks are nothing to another.
pub async fn the_limit_is_per_owner(harness: &mut dyn Harness) {
    let store = harness.store();
    for (id, owner) in [("a", "ann"), ("b", "bob")] {
        assert!(matches!(
            store.create(&task(id, owner), &Terms::concurrent_tasks(1)).await,
            Ok(Admission::Admitted)
        ));
    }
    let second = store.create(&task("c", "ann"), &Terms::concurrent_tasks(1)).await;
    assert!(matches!(second, Ok(Admission::AtLimit { live: 1 })));
}

/// Also for an owner that the store has never seen, and a limit that was lowered below what is live.
pub async fn a_limit_of_zero_admits_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    assert!(matches!(
        store.create(&task("a", "ann"), &Terms::concurrent_tasks(0)).await,
        Ok(Admission::AtLimit { live: 0 })
    ));
    assert!(matches!(
        store.create(&task("a", "ann"), &Terms::concurrent_tasks(UNLIMITED)).await,
        Ok(Admission::Admitted)
    ));
    assert!(matches!(
        store.create(&task("b", "ann"), &Terms::concurrent_tasks(0)).await,
        Ok(Admission::AtLimit { live: 1 })
    ));
}

fn named(key: &str, fingerprint: u8) -> Terms {
    let idempotency =
        IdempotencyKey { key: key.to_owned(), fingerprint: [fingerprint; 32], lifetime: KEY_LIFETIME };
    Terms { idempotency: Some(idempotency), ..Terms::concurrent_tasks(UNLIMITED) }
}

/// However many copies come at once, and also after a crash.
pub async fn one_key_makes_one_task(harness: &mut dyn Harness) {
    let mut creates = JoinSet::new();
    for number in 0..50 {
        let store = harness.store();
        creates.spawn(async move { store.create(&task(&format!("t{number}"), "ann"), &named("k", 1)).await });
    }
    let admissions: Vec<Admission> =
        creates.join_all().await.into_iter().collect::<Result<_, _>>().expect("create");
    assert_eq!(admissions.iter().filter(|admission| **admission == Admission::Admitted).count(), 1);
    harness.crash().await;
    let claims = claim_all(&*harness.store()).await;
    assert_eq!(claims.len(), 1);
    let replayed = Admission::Replayed { task: claims[0].task.id.clone() };
    assert_eq!(admissions.iter().filter(|admission| **admission == replayed).count(), 49);
    let after = harness.store().create(&task("after", "ann"), &named("k", 1)).await;
    assert_eq!(after.expect("create"), replayed);
}

/// It makes no task and takes no slot.
pub async fn a_key_with_another_request_is_refused(harness: &mut dyn Harness) {
    let store = harness.store();
    let first = store.create(&task("a", "ann"), &named("k", 1)).await;
    assert!(matches!(first, Ok(Admission::Admitted)));
    let other = store.create(&task("b", "ann"), &named("k", 2)).await;
    assert!(matches!(other, Ok(Admission::KeyReused)));
    assert!(matches!(store.load(&TaskId::new("b")).await, Ok(None)));
    let next = store.create(&task("c", "ann"), &Terms::concurrent_tasks(2)).await;
    assert!(matches!(next, Ok(Admission::Admitted)), "the refused one has no slot");
}

/// Another owner's key of the same name is another key; an old one may be used again.
pub async fn a_key_is_its_owners_and_expires(harness: &mut dyn Harness) {
    let store = harness.store();
    for (id, owner) in [("a", "ann"), ("b", "bob")] {
        assert!(matches!(store.create(&task(id, owner), &named("k", 1)).await, Ok(Admission::Admitted)));
    }
    harness.pass(KEY_LIFETIME - Duration::from_secs(1));
    let replayed = store.create(&task("c", "ann"), &named("k", 1)).await;
    assert_eq!(replayed.expect("create"), Admission::Replayed { task: TaskId::new("a") });
    harness.pass(Duration::from_secs(1));
    assert!(matches!(store.create(&task("d", "ann"), &named("k", 2)).await, Ok(Admission::Admitted)));
    let replayed = store.create(&task("e", "ann"), &named("k", 2)).await;
    assert_eq!(replayed.expect("create"), Admission::Replayed { task: TaskId::new("d") });
}
