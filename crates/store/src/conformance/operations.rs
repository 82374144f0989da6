//! What operators ask and decide.

use std::time::Duration;

use domain::{AccountName, OwnerId, Scope, TaskEvent, TaskId, Timestamp};

use super::Harness;
use super::samples::{
    AT, LEASE, NOW, UNLIMITED, accepted, advance, apply, claim_all, claim_one, create, intended, task,
};
use crate::{
    Admission, Ending, LiveCount, LiveSummary, NewDelivery, Next, Store, StoreError, SummaryBounds, TaskPage,
    TaskSearch, Terms, Tried,
};

/// Live ones only, each once.
pub async fn what_is_live_is_counted(harness: &mut dyn Harness) {
    let store = harness.store();
    let long_ago = SummaryBounds { uncopied_since: AT, crashes_min: 2 };
    assert_eq!(store.live_summary(long_ago).await.expect("summary"), LiveSummary::default());
    for id in ["a", "b", "collecting", "ended", "sent"] {
        create(&*store, &task(id, "ann")).await;
    }
    let mut claims = claim_all(&*store).await;
    let ready = || TaskEvent::Ready { sources: Vec::new() };
    for event in [intended("main"), accepted("1"), ready()] {
        advance(&*store, &mut claims[2], event, Next::Keep { lease: LEASE }).await;
    }
    advance(&*store, &mut claims[3], TaskEvent::Cancelled, NOW).await;
    advance(&*store, &mut claims[4], intended("main"), Next::Due { after: LEASE / 2 }).await;
    for claim in &claims[..2] {
        store.crashed(&(claim.task.id.clone(), claim.epoch), LEASE / 3).await.expect("crashed");
    }

    let live = |state: &str, account: Option<&str>, count| LiveCount {
        state: state.to_owned(),
        scope: "videos".to_owned(),
        model: "veo3.1".to_owned(),
        account: account.map(AccountName::new),
        count,
    };
    let mut summary = store.live_summary(long_ago).await.expect("summary");
    summary.tasks.sort_unstable();
    let tasks = vec![
        live("collecting", Some("main"), 1),
        live("queued", None, 2),
        live("submitting", Some("main"), 1),
    ];
    assert_eq!(summary, LiveSummary { tasks: tasks.clone(), uncopied: 1, ..LiveSummary::default() });
    harness.pass(LEASE);
    let before = SummaryBounds { uncopied_since: Timestamp::from_millis(AT.as_millis() - 1), crashes_min: 1 };
    let mut summary = store.live_summary(before).await.expect("summary");
    summary.tasks.sort_unstable();
    // Three are due by themselves, and the lease of the fourth has run out.
    let due_for = LEASE - LEASE / 3;
    assert_eq!(summary, LiveSummary { tasks, due: 4, due_for, crashing: 2, ..LiveSummary::default() });
}

/// Those that wait and those that were given up; not those that were received.
pub async fn messages_are_counted_by_what_became_of_them(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["dead", "received", "waiting"] {
        create(&*store, &task(id, "ann")).await;
        let mut claim = claim_one(&*store).await;
        apply(&mut claim.task, TaskEvent::Cancelled);
        let ending = Ending { message: Some(message(id)), ..Ending::default() };
        store.advance(&claim.task, claim.epoch, NOW, Some(&ending)).await.expect("advance");
    }
    for claim in store.claim_deliveries("sender", LEASE, 3, &[]).await.expect("claim") {
        let tried = match claim.delivery.message.id.as_str() {
            "dead" => Tried::Dead { error: "status 500".into() },
            "received" => Tried::Delivered,
            _ => Tried::Again { after: LEASE, error: "status 500".into() },
        };
        store.settle_delivery(&claim.delivery.message.id, claim.epoch, &tried).await.expect("settle");
    }
    let bounds = SummaryBounds { uncopied_since: AT, crashes_min: 1 };
    let summary = store.live_summary(bounds).await.expect("summary");
    assert_eq!(summary, LiveSummary { messages_waiting: 1, messages_dead: 1, ..LiveSummary::default() });
}

fn message(id: &str) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        host: "h".into(),
        url: "https://h/".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    }
}

/// All tasks, with room for them.
fn all() -> TaskSearch {
    TaskSearch { limit: 100, scan_max: 100, ..TaskSearch::default() }
}

async fn found(store: &dyn Store, search: &TaskSearch) -> Vec<String> {
    let page = store.search_tasks(search).await.expect("search");
    page.tasks.iter().map(|task| task.id.as_str().to_owned()).collect()
}

/// Each condition alone and all of them together; forgotten tasks are found, too.
pub async fn tasks_are_found_by_what_they_are(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut other = task("b", "bob");
    other.request.scope = Scope::Images;
    other.request.model = "flux".into();
    other.created_at = AT.plus(Duration::from_secs(60));
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, intended("main"), NOW).await;
    create(&*store, &other).await;
    create(&*store, &task("c", "ann")).await;
    assert_eq!(found(&*store, &all()).await, ["c", "b", "a"]);
    assert_eq!(store.search_tasks(&all()).await.expect("search").tasks[1], other);
    let of_images = TaskSearch {
        state: Some("queued".into()),
        scope: Some(Scope::Images),
        model: Some("flux".into()),
        owner: Some(OwnerId::new("bob")),
        from: Some(other.created_at),
        to: Some(other.created_at.plus(Duration::from_millis(1))),
        ..all()
    };
    assert_eq!(found(&*store, &of_images).await, ["b"]);
    let main = Some(AccountName::new("main"));
    for (search, ids) in [
        (TaskSearch { state: Some("queued".into()), ..all() }, &["c", "b"][..]),
        (TaskSearch { scope: Some(Scope::Videos), ..all() }, &["c", "a"]),
        (TaskSearch { model: Some("flux".into()), ..all() }, &["b"]),
        (TaskSearch { account: main.clone(), ..all() }, &["a"]),
        (TaskSearch { account: main, ..of_images }, &[]),
        (TaskSearch { owner: Some(OwnerId::new("ann")), ..all() }, &["c", "a"]),
        (TaskSearch { from: Some(other.created_at), ..all() }, &["b"]),
        (TaskSearch { to: Some(other.created_at), ..all() }, &["c", "a"]),
    ] {
        assert_eq!(found(&*store, &search).await, ids, "{search:?}");
    }
    let mut claim = store.claim_due("worker", LEASE, 1).await.expect("claim").remove(0);
    advance(&*store, &mut claim, TaskEvent::Cancelled, NOW).await;
    assert!(store.forget(&claim.task.id).await.expect("forget"));
    assert_eq!(found(&*store, &all()).await.len(), 3);
}

/// Whatever fits of them: pages follow each other without a gap, and each looks at so many at most.
pub async fn a_search_looks_at_a_bounded_number(harness: &mut dyn Harness) {
    let store = harness.store();
    for number in 0..10 {
        let owner = if number == 1 { "bob" } else { "ann" };
        let admission =
            store.create(&task(&format!("t{number}"), owner), &Terms::concurrent_tasks(UNLIMITED)).await;
        assert_eq!(admission.expect("create"), Admission::Admitted);
    }
    let rare =
        TaskSearch { owner: Some(OwnerId::new("bob")), limit: 5, scan_max: 4, ..TaskSearch::default() };
    let first = store.search_tasks(&rare).await.expect("search");
    assert_eq!(first, TaskPage { tasks: vec![], next: Some(TaskId::new("t6")) });
    let second = store.search_tasks(&TaskSearch { after: first.next, ..rare.clone() }).await.expect("search");
    assert_eq!((second.tasks.len(), second.next.as_ref().map(TaskId::as_str)), (0, Some("t2")));
    let third = store.search_tasks(&TaskSearch { after: second.next, ..rare }).await.expect("search");
    assert_eq!((third.tasks.len(), third.next), (1, None));

    let mut search = TaskSearch { limit: 3, ..all() };
    let mut ids = Vec::new();
    loop {
        let page = store.search_tasks(&search).await.expect("search");
        ids.extend(page.tasks.into_iter().map(|task| task.id));
        let Some(next) = page.next else { break };
        search.after = Some(next);
    }
    assert_eq!(ids, (0..10).rev().map(|number| TaskId::new(format!("t{number}"))).collect::<Vec<_>>());
}

/// Until it is resumed; also for an account that the store has never heard of.
pub async fn a_drained_account_stays_drained(harness: &mut dyn Harness) {
    let store = harness.store();
    let (main, spare) = (AccountName::new("main"), AccountName::new("spare"));
    assert!(store.drain_account(&spare).await.expect("drain"));
    assert!(store.drain_account(&main).await.expect("drain"));
    assert!(!store.drain_account(&main).await.expect("drain"), "it was drained before");
    drop(store);
    harness.crash().await;
    let store = harness.store();
    assert_eq!(store.drained_accounts().await.expect("drained"), [main.clone(), spare.clone()]);
    assert!(store.resume_account(&main).await.expect("resume"));
    assert!(!store.resume_account(&main).await.expect("resume"), "it was resumed before");
    assert_eq!(store.drained_accounts().await.expect("drained"), [spare]);
}

/// Whatever became of it.
pub async fn the_message_of_a_task_is_found(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    assert_eq!(store.delivery_of(&claim.task.id).await.expect("delivery"), None);
    let message = NewDelivery {
        id: "msg".into(),
        host: "example.com:443".into(),
        url: "https://example.com/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    };
    apply(&mut claim.task, TaskEvent::Cancelled);
    let end = Ending { message: Some(message.clone()), ..Ending::default() };
    let ended: Result<u64, StoreError> = store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await;
    ended.expect("advance");
    let delivery = store.delivery_of(&claim.task.id).await.expect("delivery").expect("one");
    assert_eq!((delivery.message, delivery.task), (message, claim.task.id));
}
