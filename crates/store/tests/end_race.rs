//! Ten thousand tasks, each ended by three at one time: a poll that found its result, its owner's wish to stop it, its
//! deadline. Of each exactly one end is stored, with one settlement and one message, and no slot stays taken.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test, where a panic is the report, and figures are shown"
)]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    AccountName, GenerationRequest, Money, NewAttempt, OwnerId, Quote, QuotedPrice, Scope, Task, TaskEvent,
    TaskId, TaskState, Timestamp,
};
use rusqlite::Connection;
use store::{
    Admission, Claim, Ending, NewDelivery, Next, SqliteSettings, SqliteStore, StoreError, Tasks, Terms,
};
use tokio::task::JoinSet;

const TASKS: u64 = 10_000;
const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const PRICE: i64 = 300;
const RESERVED: i64 = 1000;
/// Names a directory that takes what suites have measured.
const FIGURES: &str = "FILMGATE_FIGURES";

/// The events of each of the three, after "running".
fn racers() -> [Vec<TaskEvent>; 3] {
    [
        vec![TaskEvent::Ready { sources: vec![] }, TaskEvent::Collected { outputs: vec![] }],
        vec![TaskEvent::Cancelled],
        vec![TaskEvent::DeadlinePassed],
    ]
}

fn task(number: u64) -> Task {
    let quoted = |account: &str, billionths| QuotedPrice {
        account: AccountName::new(account),
        upstream_model: "m".into(),
        price: Money::from_billionths(billionths),
    };
    Task {
        id: TaskId::new(format!("task-{number}")),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: vec![],
        created_at: AT,
        deadline_at: AT.plus(Duration::from_secs(3600)),
        quote: Quote::new(vec![quoted("main", PRICE), quoted("dear", RESERVED)]),
        version: 0,
    }
}

async fn make(store: Arc<SqliteStore>, number: u64) {
    let admission = store.create(&task(number), &Terms::concurrent_tasks(u32::MAX)).await.unwrap();
    assert_eq!(admission, Admission::Admitted);
}

async fn end(store: Arc<SqliteStore>, mut claim: Claim, events: Vec<TaskEvent>) -> Result<u64, StoreError> {
    let plan = NewAttempt {
        account: AccountName::new("main"),
        provider: "v2".into(),
        upstream_model: "m".into(),
        account_version: String::new(),
    };
    let handle = claim.task.id.as_str().to_owned();
    for event in
        [TaskEvent::SubmitIntended { plan }, TaskEvent::Accepted { handle }].into_iter().chain(events)
    {
        claim.task.apply(event, AT).unwrap();
    }
    let message = NewDelivery {
        id: format!("msg-{}-{}", claim.task.id, claim.task.state.name()),
        host: "example.com:443".into(),
        url: "https://example.com/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    };
    let end = Ending { message: Some(message), settlement: claim.task.settlement(), watch: None };
    store.advance(&claim.task, claim.epoch, Next::Due { after: Duration::ZERO }, Some(&end)).await
}

/// How many of the three ends of a claimed task were anything but one success and two stale writes.
async fn race(store: Arc<SqliteStore>, claim: Claim) -> u64 {
    let mut racing = JoinSet::new();
    for events in racers() {
        racing.spawn(end(Arc::clone(&store), claim.clone(), events));
    }
    let results = racing.join_all().await;
    let ended = results.iter().filter(|result| result.is_ok()).count();
    let stale = results.iter().filter(|result| matches!(result, Err(StoreError::Stale))).count();
    u64::from((ended, stale) != (1, 2))
}

/// How many rows a query of the stored tables counts.
fn count(connection: &Connection, sql: &str) -> u64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn violations(connection: &Connection) -> [(&'static str, u64); 6] {
    let tasks = |sql| TASKS.abs_diff(count(connection, sql));
    [
        ("tasks without an end", tasks("SELECT COUNT(*) FROM tasks WHERE ended_at IS NOT NULL")),
        ("slots", count(connection, "SELECT live_tasks FROM owners")),
        ("tasks without a message", tasks("SELECT COUNT(DISTINCT task_id) FROM deliveries")),
        ("messages too many", tasks("SELECT COUNT(*) FROM deliveries")),
        ("tasks whose end does not settle their reserve", {
            let settled = "SELECT COUNT(*) FROM (SELECT task_id FROM ledger GROUP BY task_id HAVING
                SUM(CASE kind WHEN 'reserve' THEN amount ELSE 0 END)
                    = SUM(CASE kind WHEN 'capture' THEN amount WHEN 'release' THEN amount ELSE 0 END)
                AND COUNT(*) = COUNT(DISTINCT kind))";
            tasks(settled)
        }),
        ("successes without a capture, or the other way round", {
            let differing = "SELECT COUNT(*) FROM tasks WHERE (state = 'succeeded')
                <> EXISTS (SELECT 1 FROM ledger WHERE task_id = tasks.id AND kind = 'capture')";
            count(connection, differing)
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_who_end_a_task_at_one_time_leave_one_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = Arc::new(SqliteStore::open(&path, SqliteSettings::default()).unwrap());
    let mut making = JoinSet::new();
    for number in 0..TASKS {
        making.spawn(make(Arc::clone(&store), number));
        while making.len() >= 512 {
            making.join_next().await.unwrap().unwrap();
        }
    }
    making.join_all().await;
    let mut unruly = 0;
    let mut left = TASKS;
    while left > 0 {
        let claims = store.claim_due("worker", Duration::from_secs(3600), 512).await.unwrap();
        left -= claims.len() as u64;
        let races: JoinSet<u64> = claims.into_iter().map(|claim| race(Arc::clone(&store), claim)).collect();
        unruly += races.join_all().await.into_iter().sum::<u64>();
    }
    drop(store);
    let found = violations(&Connection::open(&path).unwrap());
    let violations: u64 = unruly + found.iter().map(|(_, count)| count).sum::<u64>();
    report(violations);
    assert_eq!(violations, 0, "{unruly} races with other than one end, {found:?}");
}

/// Notes the figures where the environment says.
fn report(violations: u64) {
    let line =
        format!(r#"{{"suite":"end_race","n":{TASKS},"failures":{violations},"violations":{violations}}}"#);
    eprintln!("{line}");
    let Some(folder) = std::env::var_os(FIGURES) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let path = std::path::Path::new(&folder).join("end_race.jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
