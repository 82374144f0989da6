//! New tasks through two stores at one time.

use std::collections::HashSet;

use domain::{DailyLimits, Money, OwnerId, Task, TaskId};
use store::{Admission, DailyKey, DailyLimit, IdempotencyKey, Tasks as _, Terms};
use tokio::task::JoinSet;

use crate::stage::{LEASE, RESERVED, Stage, task};

const TASKS: u64 = 200;

/// How many of two hundred are admitted on these terms.
async fn admitted(stage: &Stage, terms: &Terms) -> usize {
    let mut creating = JoinSet::new();
    for number in 0..TASKS {
        let (store, terms) = (stage.store(number), terms.clone());
        creating.spawn(async move { store.create(&task(number), &terms).await.unwrap() });
    }
    let admissions = creating.join_all().await;
    admissions.iter().filter(|admission| **admission == Admission::Admitted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_never_exceed_the_tasks_of_an_owner() {
    let stage = Stage::open().await;
    assert_eq!(admitted(&stage, &Terms::concurrent_tasks(50)).await, 50);
    assert_eq!(stage.number("SELECT live_tasks FROM owners").await, 50);
    assert_eq!(stage.number("SELECT COUNT(*) FROM tasks").await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_never_exceed_a_budget() {
    let stage = Stage::open().await;
    let budget = Some(Money::from_billionths(30 * RESERVED + RESERVED / 2));
    let terms = Terms { budget, ..Terms::concurrent_tasks(u32::MAX) };
    assert_eq!(admitted(&stage, &terms).await, 30);
    assert_eq!(stage.number("SELECT committed FROM owners").await, 30 * RESERVED);
    let reserved = "SELECT SUM(amount)::BIGINT FROM ledger WHERE kind = 'reserve'";
    assert_eq!(stage.number(reserved).await, 30 * RESERVED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_never_exceed_a_day() {
    let stage = Stage::open().await;
    let ann = OwnerId::new("ann");
    let limits = DailyLimits { tasks: Some(40), spend: None };
    let daily = vec![
        DailyLimit { key: DailyKey::Client(ann.clone()), limits },
        DailyLimit { key: DailyKey::ClientModel(ann, "veo3.1".into()), limits: DailyLimits::default() },
    ];
    let terms = Terms { daily, ..Terms::concurrent_tasks(u32::MAX) };
    // Over midnight there would be two days, each with its own forty.
    let day = "SELECT (extract(epoch FROM clock_timestamp()) / 86400)::BIGINT";
    let before = stage.number(day).await;
    let admitted = admitted(&stage, &terms).await;
    if stage.number(day).await == before {
        assert_eq!(admitted, 40);
    }
    let differing = "SELECT COUNT(*) FROM daily_usage AS used WHERE tasks > 40 OR tasks <>
        (SELECT COUNT(*) FROM daily_uses AS counted WHERE counted.day = used.day AND counted.kind = used.kind)";
    assert_eq!(stage.number(differing).await, 0);
}

/// Fifty keys, eight copies of each request.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_makes_one_task_through_two_stores() {
    const KEYS: u64 = 50;
    const COPIES: u64 = 8;
    let stage = Stage::open().await;
    let mut creating = JoinSet::new();
    for number in 0..KEYS * COPIES {
        let key =
            IdempotencyKey { key: format!("key-{}", number / COPIES), fingerprint: [1; 32], lifetime: LEASE };
        let terms = Terms { idempotency: Some(key), ..Terms::concurrent_tasks(u32::MAX) };
        let store = stage.store(number);
        creating.spawn(async move {
            let own = Task { id: TaskId::new(format!("copy-{number}")), ..task(number) };
            let told = match store.create(&own, &terms).await.unwrap() {
                Admission::Admitted => own.id,
                Admission::Replayed { task } => task,
                other => panic!("{other:?}"),
            };
            (number / COPIES, told)
        });
    }
    let told: HashSet<(u64, TaskId)> = creating.join_all().await.into_iter().collect();
    assert_eq!(told.len() as u64, KEYS, "all copies of a request were told of one task");
    assert_eq!(stage.number("SELECT COUNT(*) FROM tasks").await, i64::try_from(KEYS).unwrap());
    assert_eq!(stage.number("SELECT live_tasks FROM owners").await, i64::try_from(KEYS).unwrap());
}
