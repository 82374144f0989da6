//! Tasks that have ended while an upstream may still be at work.

use std::time::Duration;

use domain::{
    AccountName, AssetId, MediaKind, Money, Output, OutputMedia, Quote, QuotedPrice, TaskEvent, TaskId,
};

use super::Harness;
use super::samples::{LEASE, NOW, UNLIMITED, accepted, apply, claim_one, intended, load, task};
use crate::{Admission, Ending, LateClaim, LateWord, Store, StoreError, Terms};

const WATCH: Duration = Duration::from_secs(3600);
const PACE: Duration = Duration::from_secs(600);

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn within(budget: &str) -> Terms {
    Terms { budget: Some(money(budget)), ..Terms::concurrent_tasks(UNLIMITED) }
}

fn clip() -> Vec<Output> {
    let media = OutputMedia::Stored { asset: AssetId::new("00ff"), media_type: "video/mp4".into(), bytes: 3 };
    vec![Output { kind: MediaKind::Video, media }]
}

fn finished(price: &str) -> LateWord {
    LateWord::Finished { outputs: clip(), price: money(price), handle: "up/1".into() }
}

/// A task of that price that ended after these events, and is watched.
async fn ended(store: &dyn Store, price: Option<&str>, events: &[TaskEvent]) -> TaskId {
    let quoted = |price| QuotedPrice {
        account: AccountName::new("main"),
        upstream_model: "veo3_fast".into(),
        price: money(price),
    };
    let quote = price.map_or_else(Quote::default, |price| Quote::new(vec![quoted(price)]));
    let task = domain::Task { quote, ..task("a", "ann") };
    assert_eq!(store.create(&task, &within("10")).await.expect("create"), Admission::Admitted);
    let mut claim = claim_one(store).await;
    apply(&mut claim.task, intended("main"));
    for event in events {
        apply(&mut claim.task, event.clone());
    }
    let end = Ending { settlement: claim.task.settlement(), watch: Some(WATCH), ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await.expect("advance");
    task.id
}

/// One that an upstream had taken; its money was freed.
async fn expired(store: &dyn Store, price: Option<&str>) -> TaskId {
    ended(store, price, &[accepted("up/1"), TaskEvent::DeadlinePassed]).await
}

/// One of which nobody knows whether an upstream has it; its money is still set aside.
async fn lost(store: &dyn Store) -> TaskId {
    let unknown = TaskEvent::SubmitUnknown { reason: "lost".into() };
    ended(store, Some("1"), &[unknown, TaskEvent::DeadlinePassed]).await
}

async fn claim_late(store: &dyn Store) -> Vec<LateClaim> {
    store.claim_late(LEASE, usize::MAX).await.expect("claim")
}

async fn only_late(store: &dyn Store) -> LateClaim {
    let mut claims = claim_late(store).await;
    assert_eq!(claims.len(), 1, "one is due: {claims:?}");
    claims.remove(0)
}

/// What is left for ann of a budget of 10.
async fn left(store: &dyn Store) -> Money {
    let mut much = task("much", "ann");
    much.quote.reserved = money("10.000000001");
    match store.create(&much, &within("10")).await.expect("create") {
        Admission::OverBudget { left } => left,
        other => panic!("{other:?}"),
    }
}

/// At once, then at the pace that the looks ask for, and a last time at its end.
pub async fn an_ended_task_is_watched_until_its_time_is_over(harness: &mut dyn Harness) {
    let store = harness.store();
    assert_eq!(store.next_late_in().await.expect("next"), None);
    let id = expired(&*store, Some("1")).await;
    assert_eq!(store.next_late_in().await.expect("next"), Some(Duration::ZERO));
    let stored = load(&*store, &id).await;
    store.forget(&id).await.expect("forget");
    let claim = only_late(&*store).await;
    assert_eq!((&claim.task, claim.is_last), (&stored, false));
    assert!(claim_late(&*store).await.is_empty(), "somebody has it");
    store.settle_late(&claim, &LateWord::NothingYet { after: PACE }).await.expect("settle");
    assert_eq!(store.next_late_in().await.expect("next"), Some(PACE));
    harness.pass(PACE);
    let claim = only_late(&*store).await;
    store.settle_late(&claim, &LateWord::NothingYet { after: 2 * WATCH }).await.expect("settle");
    assert_eq!(store.next_late_in().await.expect("next"), Some(WATCH - PACE), "no later than its end");
    harness.pass(WATCH - PACE);
    let claim = only_late(&*store).await;
    assert!(claim.is_last);
    harness.pass(LEASE);
    harness.crash().await;
    let store = harness.store();
    let claim = only_late(&*store).await;
    store.settle_late(&claim, &LateWord::GivenUp).await.expect("settle");
    assert_eq!(store.next_late_in().await.expect("next"), None);
    assert!(store.late_results(10).await.expect("results").is_empty());
    assert_eq!(left(&*store).await, money("10"));
}

/// As an adjustment, because its money was free again; the end stays what it was.
pub async fn a_late_result_is_paid_for_once(harness: &mut dyn Harness) {
    let store = harness.store();
    let id = expired(&*store, Some("1")).await;
    assert_eq!(left(&*store).await, money("10"));
    let before = load(&*store, &id).await;
    let claim = only_late(&*store).await;
    let (word, copy) = (finished("0.4"), claim.clone());
    let both = tokio::join!(store.settle_late(&claim, &word), store.settle_late(&copy, &word));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    assert!(matches!(both.0.and(both.1), Err(StoreError::Stale)));
    harness.crash().await;
    let store = harness.store();
    assert!(matches!(store.settle_late(&claim, &word).await, Err(StoreError::Stale)));
    assert_eq!(left(&*store).await, money("9.6"));
    assert_eq!(load(&*store, &id).await, before);
    let results = store.late_results(10).await.expect("results");
    let [result] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!((&result.task, result.amount, &result.outputs), (&id, money("0.4"), &clip()));
    assert_eq!((result.owner.as_str(), result.account.as_str()), ("ann", "main"));
    assert_eq!(result.model, before.request.model);
}

/// And the rest of it is free.
pub async fn what_is_still_set_aside_pays_for_a_late_result(harness: &mut dyn Harness) {
    let store = harness.store();
    let id = lost(&*store).await;
    assert_eq!(left(&*store).await, money("9"));
    let claim = only_late(&*store).await;
    store.settle_late(&claim, &finished("0.4")).await.expect("settle");
    assert_eq!(left(&*store).await, money("9.6"));
    let results = store.late_results(10).await.expect("results");
    assert_eq!((&results[0].task, results[0].amount), (&id, money("0.4")));
}

/// Nothing happens to what was free before.
pub async fn a_late_failure_frees_what_is_still_set_aside(harness: &mut dyn Harness) {
    let store = harness.store();
    lost(&*store).await;
    let claim = only_late(&*store).await;
    store.settle_late(&claim, &LateWord::Failed).await.expect("settle");
    assert_eq!(left(&*store).await, money("10"));
    assert_eq!(store.next_late_in().await.expect("next"), None);
    assert!(store.late_results(10).await.expect("results").is_empty());
}

/// Somebody else has looked meanwhile.
pub async fn a_stale_look_changes_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    expired(&*store, Some("1")).await;
    let slow = only_late(&*store).await;
    harness.pass(LEASE);
    let next = only_late(&*store).await;
    assert!(next.epoch > slow.epoch);
    for word in [finished("1"), LateWord::Failed, LateWord::GivenUp, LateWord::NothingYet { after: PACE }] {
        assert!(matches!(store.settle_late(&slow, &word).await, Err(StoreError::Stale)), "{word:?}");
    }
    assert_eq!(left(&*store).await, money("10"));
    store.settle_late(&next, &finished("1")).await.expect("settle");
    assert_eq!(left(&*store).await, money("9"));
}

/// They are kept, and the ledger has nothing to say.
pub async fn a_free_task_has_late_results_too(harness: &mut dyn Harness) {
    let store = harness.store();
    expired(&*store, None).await;
    let claim = only_late(&*store).await;
    store.settle_late(&claim, &finished("0")).await.expect("settle");
    let results = store.late_results(10).await.expect("results");
    assert_eq!((results[0].amount, &results[0].outputs), (Money::ZERO, &clip()));
    assert_eq!(left(&*store).await, money("10"));
}
