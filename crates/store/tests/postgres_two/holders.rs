//! Who held something that another one took since then changes nothing any more.

use std::time::Duration;

use domain::{AccountName, DailyLimits, Money, TaskEvent};
use store::{
    DailyKey, DailyLimit, Deliveries as _, LateWord, LateWork as _, Next, StoreError, Tasks as _, Tried,
};

use crate::stage::{LEASE, NOW, Stage, accepted, end};

const TABLES: [&str; 8] =
    ["tasks", "attempts", "owners", "ledger", "deliveries", "late_watches", "daily_usage", "daily_uses"];

fn is_stale<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Stale)), "{result:?}");
}

/// A lease of nothing is over when it begins, so that the next claimer has the task at once.
#[tokio::test]
async fn a_holder_that_was_overtaken_writes_no_row() {
    let stage = Stage::open().await;
    stage.make(0..1).await;
    let (before, after) = (stage.store(0), stage.store(1));
    let late = before.claim_due("late", Duration::ZERO, 1).await.unwrap().remove(0);
    let claim = after.claim_due("next", LEASE, 1).await.unwrap().remove(0);
    assert!(claim.epoch > late.epoch);
    let stored = stage.rows(&TABLES).await;

    let held = (late.task.id.clone(), late.epoch);
    let day = DailyLimit {
        key: DailyKey::Account(AccountName::new("main")),
        limits: DailyLimits { tasks: Some(9), spend: None },
    };
    let changed = accepted(late.clone()).task;
    is_stale(before.advance(&changed, late.epoch, NOW, None).await);
    is_stale(before.advance(&changed, late.epoch, Next::Keep { lease: LEASE }, None).await);
    is_stale(end(before.clone(), late.clone(), vec![TaskEvent::DeadlinePassed]).await);
    is_stale(before.use_daily(&held, 1, &[day], Money::from_billionths(1)).await);
    before.release(std::slice::from_ref(&held), Duration::ZERO).await.unwrap();
    before.defer(std::slice::from_ref(&held), Duration::ZERO).await.unwrap();
    before.crashed(&held, Duration::ZERO).await.unwrap();
    assert_eq!(stage.rows(&TABLES).await, stored);
    end(after, claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
}

#[tokio::test]
async fn a_sender_that_was_overtaken_settles_nothing() {
    let stage = Stage::open().await;
    stage.make(0..1).await;
    let (before, after) = (stage.store(0), stage.store(1));
    let claim = before.claim_due("worker", LEASE, 1).await.unwrap().remove(0);
    end(before.clone(), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    let late = before.claim_deliveries("late", Duration::ZERO, 1, &[]).await.unwrap().remove(0);
    let claim = after.claim_deliveries("next", LEASE, 1, &[]).await.unwrap().remove(0);
    let (id, stored) = (claim.delivery.message.id.clone(), stage.rows(&TABLES).await);
    let error = || "e".to_owned();
    let all =
        [Tried::Delivered, Tried::Again { after: LEASE, error: error() }, Tried::Dead { error: error() }];
    for tried in &all {
        is_stale(before.settle_delivery(&id, late.epoch, tried).await);
    }
    assert_eq!(stage.rows(&TABLES).await, stored);
    after.settle_delivery(&id, claim.epoch, &Tried::Delivered).await.unwrap();
}

#[tokio::test]
async fn a_watcher_that_was_overtaken_settles_nothing() {
    let stage = Stage::open().await;
    stage.make(0..1).await;
    let (before, after) = (stage.store(0), stage.store(1));
    let claim = before.claim_due("worker", LEASE, 1).await.unwrap().remove(0);
    end(before.clone(), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    let late = before.claim_late(Duration::ZERO, 1).await.unwrap().remove(0);
    let claim = after.claim_late(LEASE, 1).await.unwrap().remove(0);
    let stored = stage.rows(&TABLES).await;
    let price = Money::from_billionths(5);
    let finished = LateWord::Finished { outputs: vec![], price, handle: "h".into() };
    for word in [finished.clone(), LateWord::Failed, LateWord::GivenUp, LateWord::NothingYet { after: LEASE }]
    {
        is_stale(before.settle_late(&late, &word).await);
    }
    assert_eq!(stage.rows(&TABLES).await, stored);
    after.settle_late(&claim, &finished).await.unwrap();
}
