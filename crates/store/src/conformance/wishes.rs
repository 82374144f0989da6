//! What owners ask for besides making and reading tasks.

use std::time::Duration;

use domain::{OwnerId, Scope, Task, TaskEvent, TaskId};

use super::Harness;
use super::samples::{AT, LEASE, NOW, advance, claim_all, claim_one, create, intended, load, task};
use crate::{ListTasks, Next, Store};

const ALL: ListTasks = ListTasks { scope: None, after: None, limit: 100, ascending: false };

async fn list(store: &dyn Store, owner: &str, wanted: &ListTasks) -> Vec<String> {
    let tasks = store.list(&OwnerId::new(owner), wanted).await.expect("list");
    tasks.into_iter().map(|task| task.id.to_string()).collect()
}

/// Three tasks of `ann`, one second apart except for the last two, and one of `bob`.
async fn four(store: &dyn Store) {
    for (id, owner, second) in [("a", "ann", 1), ("b", "ann", 2), ("c", "ann", 2), ("d", "bob", 3)] {
        let created_at = AT.plus(Duration::from_secs(second));
        let mut task = Task { created_at, ..task(id, owner) };
        task.request.scope = if id == "b" { Scope::Images } else { Scope::Videos };
        create(store, &task).await;
    }
}

async fn end(store: &dyn Store) {
    let mut claim = claim_one(store).await;
    advance(store, &mut claim, TaskEvent::Cancelled, NOW).await;
}

/// A list has the owner's own tasks only, newest or oldest first.
pub async fn a_list_has_the_owners_tasks_by_age(harness: &mut dyn Harness) {
    let store = harness.store();
    four(&*store).await;
    assert_eq!(list(&*store, "ann", &ALL).await, ["c", "b", "a"]);
    assert_eq!(list(&*store, "ann", &ListTasks { ascending: true, ..ALL }).await, ["a", "b", "c"]);
    assert_eq!(list(&*store, "ann", &ListTasks { scope: Some(Scope::Images), ..ALL }).await, ["b"]);
    assert!(list(&*store, "eve", &ALL).await.is_empty());
    let [task] = &store.list(&OwnerId::new("bob"), &ALL).await.expect("list")[..] else { panic!("one") };
    assert_eq!(*task, load(&*store, &TaskId::new("d")).await, "they come whole");
}

/// Pages follow each other without a gap, also between tasks of one moment.
pub async fn pages_of_a_list_follow_each_other(harness: &mut dyn Harness) {
    let store = harness.store();
    four(&*store).await;
    let page = |after: Option<&str>, ascending| ListTasks {
        after: after.map(TaskId::new),
        limit: 1,
        ascending,
        ..ALL
    };
    assert_eq!(list(&*store, "ann", &page(None, false)).await, ["c"]);
    assert_eq!(list(&*store, "ann", &page(Some("c"), false)).await, ["b"]);
    assert_eq!(list(&*store, "ann", &page(Some("b"), false)).await, ["a"]);
    assert!(list(&*store, "ann", &page(Some("a"), false)).await.is_empty());
    assert_eq!(list(&*store, "ann", &page(Some("b"), true)).await, ["c"]);
    assert!(list(&*store, "ann", &page(Some("d"), false)).await.is_empty(), "nothing follows another's task");
}

/// A wish to stop a task comes with its next claim, which is at once unless somebody holds it.
pub async fn a_wish_to_cancel_comes_with_the_next_claim(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    assert!(!claim.cancel_requested);
    assert!(store.request_cancel(&TaskId::new("a")).await.expect("a wish"));
    assert!(claim_all(&*store).await.is_empty(), "its holder goes on");
    let later = Next::Due { after: LEASE * 10 };
    advance(&*store, &mut claim, intended("kie-main"), later).await;

    assert!(store.request_cancel(&TaskId::new("a")).await.expect("the same wish again"));
    assert!(claim_one(&*store).await.cancel_requested, "it is due at once");
}

/// An ended or unknown task cannot be stopped.
pub async fn an_ended_task_takes_no_wish_to_cancel(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    end(&*store).await;
    assert!(!store.request_cancel(&TaskId::new("a")).await.expect("a wish"));
    assert!(!store.request_cancel(&TaskId::new("b")).await.expect("a wish"));
    assert!(claim_all(&*store).await.is_empty());
}

/// A forgotten task is gone for its owner; a live one cannot be forgotten.
pub async fn only_an_ended_task_can_be_forgotten(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    assert!(!store.forget(&TaskId::new("a")).await.expect("forget"));
    end(&*store).await;
    assert!(store.forget(&TaskId::new("a")).await.expect("forget"));
    assert!(!store.forget(&TaskId::new("a")).await.expect("forget again"));
    drop(store);
    harness.crash().await;
    let store = harness.store();
    assert_eq!(store.load(&TaskId::new("a")).await.expect("load"), None);
    assert!(list(&*store, "ann", &ALL).await.is_empty());
}

/// A task that waits can be made due; one that somebody holds stays with its holder.
pub async fn a_waiting_task_can_be_made_due(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    assert!(store.make_due(&TaskId::new("a")).await.expect("make due"));
    assert!(claim_all(&*store).await.is_empty(), "its holder goes on");
    let later = Next::Due { after: LEASE * 10 };
    advance(&*store, &mut claim, intended("kie-main"), later).await;
    assert!(claim_all(&*store).await.is_empty());
    assert!(store.make_due(&TaskId::new("a")).await.expect("make due"));
    assert!(!claim_one(&*store).await.cancel_requested);
    assert!(!store.make_due(&TaskId::new("b")).await.expect("make due"));
}
