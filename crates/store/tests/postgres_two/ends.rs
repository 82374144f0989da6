//! Three who end a task at one time, through two stores: a poll that found its result, its owner's wish, its deadline.

use std::sync::Arc;

use domain::{AccountName, Money, TaskEvent, TaskId};
use store::{Books as _, Claim, HeldVerdict, LateWord, LateWork as _, PostgresStore, StoreError, Tasks as _};
use tokio::task::JoinSet;

use crate::stage::{LEASE, PRICE, RESERVED, Stage, end};

/// As many as the embedded store is asked for, where there is time.
fn tasks() -> u64 {
    if std::env::var_os("FILMGATE_LONG").is_some() { 10_000 } else { 1_000 }
}

/// The events of each of the three, after "running".
fn racers() -> [Vec<TaskEvent>; 3] {
    [
        vec![TaskEvent::Ready { sources: vec![] }, TaskEvent::Collected { outputs: vec![] }],
        vec![TaskEvent::Cancelled],
        vec![TaskEvent::DeadlinePassed],
    ]
}

/// Whether of the three ends of a claimed task one came about, and the two others were stale.
async fn race(stores: [Arc<PostgresStore>; 2], claim: Claim) -> bool {
    let racing: JoinSet<_> = (0..)
        .zip(racers())
        .map(|(n, events): (usize, _)| end(Arc::clone(&stores[n % 2]), claim.clone(), events))
        .collect();
    let results = racing.join_all().await;
    let ended = results.iter().filter(|result| result.is_ok()).count();
    let stale = results.iter().filter(|result| matches!(result, Err(StoreError::Stale))).count();
    (ended, stale) == (1, 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_who_end_a_task_through_two_stores_leave_one_end() {
    let stage = Stage::open().await;
    stage.make(0..tasks()).await;
    let mut left = tasks();
    while left > 0 {
        let claims = stage.store(left).claim_due("worker", LEASE, 100).await.unwrap();
        left -= claims.len() as u64;
        let races: JoinSet<bool> =
            claims.into_iter().map(|claim| race(stage.stores.clone(), claim)).collect();
        assert!(races.join_all().await.into_iter().all(|is_fair| is_fair), "a task was not ended once");
    }
    let all = i64::try_from(tasks()).unwrap();
    for (what, expected, sql) in [
        ("ended tasks", all, "SELECT COUNT(*) FROM tasks WHERE ended_at IS NOT NULL"),
        ("slots", 0, "SELECT live_tasks FROM owners"),
        ("tasks with a message", all, "SELECT COUNT(DISTINCT task_id) FROM deliveries"),
        ("messages", all, "SELECT COUNT(*) FROM deliveries"),
        (
            "tasks whose end settles their reserve",
            all,
            "SELECT COUNT(*) FROM (SELECT task_id FROM ledger GROUP BY task_id
             HAVING SUM(CASE kind WHEN 'reserve' THEN amount ELSE 0 END)
                  = SUM(CASE kind WHEN 'capture' THEN amount WHEN 'release' THEN amount ELSE 0 END)
             AND COUNT(*) = COUNT(DISTINCT kind)) AS settled",
        ),
        (
            "tasks with a capture and no success, or the other way round",
            0,
            "SELECT COUNT(*) FROM tasks WHERE (state = 'succeeded')
             <> EXISTS (SELECT 1 FROM ledger WHERE task_id = tasks.id AND kind = 'capture')",
        ),
        (
            "billionths that the owner has spent beside its captures",
            0,
            "SELECT committed - (SELECT COALESCE(SUM(amount), 0) FROM ledger WHERE kind = 'capture')::BIGINT FROM owners",
        ),
    ] {
        assert_eq!(stage.number(sql).await, expected, "{what}");
    }
}

/// An operator and a late result, of a task whose money is still set aside: one of them settles, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn money_that_is_set_aside_is_settled_once() {
    const TASKS: u64 = 60;
    let stage = Stage::open().await;
    stage.make(0..TASKS).await;
    for mut claim in stage.store(0).claim_due("worker", LEASE, usize::MAX).await.unwrap() {
        for event in lost() {
            claim.task.apply(event, crate::stage::AT).unwrap();
        }
        let end = store::Ending { watch: Some(100 * LEASE), ..store::Ending::default() };
        stage.store(0).advance(&claim.task, claim.epoch, crate::stage::NOW, Some(&end)).await.unwrap();
    }
    let watched = stage.store(1).claim_late(LEASE, usize::MAX).await.unwrap();
    assert_eq!(watched.len() as u64, TASKS);
    let mut settling = JoinSet::new();
    for claim in watched {
        let (one, two, id) = (stage.store(0), stage.store(1), claim.task.id.clone());
        settling.spawn(async move {
            let came = LateWord::Finished {
                outputs: vec![],
                price: Money::from_billionths(PRICE),
                handle: "h".into(),
            };
            let (settled, late) = tokio::join!(settle(&one, &id), two.settle_late(&claim, &came));
            late.unwrap();
            settled
        });
    }
    let by_hand = settling.join_all().await.into_iter().filter(|by_hand| *by_hand).count();
    let [reserved, captured, released, late] = ["reserve", "capture", "release", "late_adjustment"]
        .map(|kind| format!("SELECT COALESCE(SUM(amount), 0)::BIGINT FROM ledger WHERE kind = '{kind}'"));
    let all = i64::try_from(TASKS).unwrap();
    assert_eq!(stage.number(&reserved).await, all * RESERVED);
    let (captured, released) = (stage.number(&captured).await, stage.number(&released).await);
    assert_eq!(captured + released, all * RESERVED, "what was set aside is spent or free, once");
    assert_eq!(captured + stage.number(&late).await, all * PRICE, "and each is paid for, {by_hand} late");
    assert_eq!(stage.number("SELECT committed FROM owners").await, all * PRICE);
}

fn lost() -> [TaskEvent; 3] {
    let plan = domain::NewAttempt {
        account: AccountName::new("main"),
        provider: "v2".into(),
        upstream_model: "m".into(),
        account_version: String::new(),
    };
    let unknown = TaskEvent::SubmitUnknown { reason: "lost".into() };
    [TaskEvent::SubmitIntended { plan }, unknown, TaskEvent::DeadlinePassed]
}

/// Whether there was something to settle.
async fn settle(store: &PostgresStore, id: &TaskId) -> bool {
    store.settle_held(id, HeldVerdict::Release).await.unwrap().is_some()
}
