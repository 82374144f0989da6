//! Callbacks of upstreams, and the names of their work.

use std::time::Duration;

use domain::{AccountName, TaskEvent, TaskId};

use super::Harness;
use super::samples::{
    LEASE, NOW, accepted, advance, apply, claim_all, claim_one, create, intended, load, task,
};
use crate::{Heard, Next, StoreError};

const LATER: Next = Next::Due { after: Duration::from_secs(600) };

fn heard(account: &str, digest: u8, handle: Option<&str>) -> Heard {
    Heard {
        account: AccountName::new(account),
        digest: [digest; 32],
        attempt: (TaskId::new("a"), 1),
        handle: handle.map(str::to_owned),
    }
}

/// A repetition changes nothing, also after a crash.
pub async fn a_callback_is_heard_once_and_makes_its_task_due(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, intended("kie-main"), LATER).await;
    assert_eq!(claim_all(&*store).await, []);
    assert!(store.hear(&heard("kie-main", 1, None)).await.expect("hear"));
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, accepted("h"), LATER).await;
    assert!(!store.hear(&heard("kie-main", 1, None)).await.expect("hear"));
    harness.crash().await;
    let store = harness.store();
    assert!(!store.hear(&heard("kie-main", 1, None)).await.expect("hear"));
    assert_eq!(claim_all(&*store).await, []);
    assert!(store.hear(&heard("other", 1, None)).await.expect("hear"), "another account's is another");
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, TaskEvent::DeadlinePassed, NOW).await;
    assert!(store.hear(&heard("kie-main", 2, None)).await.expect("hear"));
    assert_eq!(claim_all(&*store).await, [], "an ended task is never due");
}

/// Of the attempt that it was told to.
pub async fn the_handle_that_a_callback_named_is_found(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    store.hear(&heard("kie-main", 1, None)).await.expect("hear");
    let id = TaskId::new("a");
    assert_eq!(store.heard_handle(&id, 1).await.expect("handle"), None);
    store.hear(&heard("kie-main", 2, Some("up/1"))).await.expect("hear");
    assert_eq!(store.heard_handle(&id, 1).await.expect("handle").as_deref(), Some("up/1"));
    assert_eq!(store.heard_handle(&id, 2).await.expect("handle"), None);
}

/// An upstream that answers with the id of another's work has not told ours; another account may use the same id.
pub async fn a_handle_is_of_one_attempt(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["a", "b"] {
        create(&*store, &task(id, "ann")).await;
    }
    let mut claims = claim_all(&*store).await;
    let mut second = claims.pop().expect("two");
    let mut first = claims.pop().expect("two");
    for claim in [&mut first, &mut second] {
        advance(&*store, claim, intended("kie-main"), Next::Keep { lease: LEASE }).await;
    }
    advance(&*store, &mut first, accepted("h"), LATER).await;
    let before = second.clone();
    apply(&mut second.task, accepted("h"));
    let taken = store.advance(&second.task, second.epoch, LATER, None).await;
    assert!(matches!(taken, Err(StoreError::HandleTaken)), "{taken:?}");
    assert_eq!(load(&*store, &second.task.id).await, before.task, "nothing was changed");
    let known = store.known_handles(&AccountName::new("kie-main"), &["h".into(), "i".into()]).await;
    assert_eq!(known.expect("handles"), ["h"]);
    let elsewhere = store.known_handles(&AccountName::new("kie-spare"), &["h".into()]).await;
    assert!(elsewhere.expect("handles").is_empty());
}
