//! What has ended costs what is live nothing: beside hundreds of thousands of ended tasks, each with an attempt, a message, a
//! watch that is over and rows of the ledger, the server says how many pages each statement touches that the store runs.

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountName, OwnerId, TaskEvent, TaskId};
use store::postgres_server::{Listen, PostgresServer};
use store::{
    Books as _, Callbacks as _, Deliveries as _, DeliveryState, Heard, Inspections as _, LateWork as _,
    LedgerSpan, ListTasks, Operations as _, PostgresStore, Retention as _, SummaryBounds, TaskSearch,
    Tasks as _, Terms,
};

use crate::stage::{AT, LEASE, Stage, end, open, task};

/// Live ones, as far as they are not made by what is measured.
const LIVE: u64 = 200;
/// Of what ended long ago, for retention.
const OLD: i64 = 200;
/// As often as a statement is planned for its values before the server plans it once for all.
const RUNS: u64 = 8;
/// The server's own words for what it ran.
const SETTINGS: [&str; 5] = [
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "shared_preload_libraries=auto_explain",
    "auto_explain.log_analyze=on",
    "auto_explain.log_buffers=on",
];

/// How many have ended.
fn ended() -> i64 {
    if std::env::var_os("FILMGATE_LONG").is_some() { 1_000_000 } else { 200_000 }
}

/// Copies the one ended task, with all that belongs to it.
async fn fill(stage: &Stage) {
    let copies = format!("generate_series(1, {}) AS n", ended());
    let moment = format!("CASE WHEN n <= {OLD} THEN n ELSE ended_at END");
    for sql in [
        "ALTER TABLE ledger DISABLE TRIGGER USER; UPDATE ledger SET at = at - 86400000; ALTER TABLE ledger ENABLE TRIGGER USER"
            .to_owned(),
        format!(
            "INSERT INTO tasks (id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at, version,
                 due_at, lease_epoch, state_data, quote, request)
             SELECT 'old-' || lpad(n::TEXT, 9, '0'), owner, dialect, scope, model, state, created_at + n, deadline_at,
                 {moment}, version, due_at, lease_epoch, state_data, quote, request
             FROM tasks, {copies} WHERE id = 'task-0'"
        ),
        format!(
            "INSERT INTO attempts SELECT 'old-' || lpad(n::TEXT, 9, '0'), number, account, account_version, provider,
                 upstream_model, intended_at, outcome, is_live, 'handle-' || n FROM attempts, {copies}"
        ),
        format!(
            "INSERT INTO ledger (task_id, kind, amount, owner, model, account, handle, at)
             SELECT 'old-' || lpad(n::TEXT, 9, '0'), kind, amount, owner, model, account, handle, at
             FROM ledger, {copies} WHERE task_id = 'task-0'"
        ),
        format!(
            "INSERT INTO deliveries (id, task_id, host, url, content_type, body, created_at, tries, state, settled_at, lease_epoch)
             SELECT 'msg-' || n, 'old-' || lpad(n::TEXT, 9, '0'), host, url, content_type, body, created_at, 1,
                 'delivered', created_at, 1 FROM deliveries, {copies}"
        ),
        format!(
            "INSERT INTO late_watches (task_id, until_at, lease_epoch, settled_at)
             SELECT 'old-' || lpad(n::TEXT, 9, '0'), until_at, 1, until_at FROM late_watches, {copies}"
        ),
        "VACUUM ANALYZE".to_owned(),
        "ALTER DATABASE template1 SET auto_explain.log_min_duration = 0".to_owned(),
        "ALTER DATABASE template1 SET auto_explain.log_nested_statements = on".to_owned(),
    ] {
        stage.sql.batch_execute(&sql).await.unwrap();
    }
}

/// How many pages the statements have touched that the server has told of since its line of that number.
async fn pages(stage: &Stage, from: usize) -> u64 {
    let mark = format!("mark {from}");
    // Told after everything before it.
    stage.sql.batch_execute(&format!("DO $$ BEGIN RAISE LOG '{mark}'; END $$")).await.unwrap();
    let said = loop {
        let said = stage.server.said().split_off(from);
        if said.iter().any(|line| line.contains(&mark)) {
            break said;
        }
        tokio::task::yield_now().await;
    };
    let mut pages = 0;
    let mut is_first = false;
    for line in said {
        if line.contains(" plan:") {
            is_first = true;
        } else if let Some(buffers) = line.trim().strip_prefix("Buffers: shared ").filter(|_| is_first) {
            // The first node is the whole statement.
            is_first = false;
            pages += count(buffers, "hit=") + count(buffers, "read=");
        }
    }
    pages
}

fn count(buffers: &str, name: &str) -> u64 {
    let found = buffers.split(' ').find_map(|word| word.strip_prefix(name));
    found.map_or(0, |number| number.parse().unwrap())
}

/// What was measured: of what, the most that it may touch, the most that a run has touched.
struct Measured<'a> {
    stage: &'a Stage,
    found: Vec<(&'static str, u64, u64)>,
}

impl Measured<'_> {
    async fn add(&mut self, what: &'static str, bound: u64, run: impl AsyncFn(u64)) {
        let mut most = 0;
        for number in 0..RUNS {
            let from = self.stage.server.said().len();
            run(number).await;
            most = most.max(pages(self.stage, from).await);
        }
        self.found.push((what, bound, most));
    }
}

async fn make(store: &PostgresStore, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        store.create(&task(number), &Terms::concurrent_tasks(u32::MAX)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_has_ended_costs_what_is_live_nothing() {
    let stage = Stage::on(PostgresServer::start(Listen::Socket, &SETTINGS)).await;
    make(&stage.stores[0], 0..1).await;
    let claim = stage.stores[0].claim_due("worker", LEASE, 1).await.unwrap().remove(0);
    end(stage.store(0), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    fill(&stage).await;
    // Only sessions that begin from now on are explained.
    let store = open(&stage.server.url()).await;
    make(&store, 1..=LIVE).await;
    let mut measured = Measured { stage: &stage, found: Vec::new() };
    tasks(&store, &mut measured).await;
    messages(&store, &mut measured).await;
    operators(&store, &mut measured).await;
    let age = Duration::from_millis(stage.number(AGE_OF_OLD).await.unsigned_abs());
    let purge = async |_| assert_eq!(store.purge_tasks(age, 10).await.unwrap(), 10);
    measured.add("purge_tasks of 10", 2500, purge).await;

    let all = stage.number("SELECT SUM(relpages)::BIGINT FROM pg_class").await;
    let lines =
        measured.found.iter().map(|(what, bound, pages)| format!("{pages:>8} of {bound:>5}  {what}\n"));
    eprintln!(
        "pages touched beside {} ended tasks, which have {all}:\n{}",
        ended(),
        lines.collect::<String>()
    );
    let over: Vec<_> =
        measured.found.iter().filter(|(_, bound, pages)| pages > bound || *pages == 0).collect();
    assert!(over.is_empty(), "{over:?}");
}

async fn tasks(store: &Arc<PostgresStore>, measured: &mut Measured<'_>) {
    let (ann, old) = (OwnerId::new("ann"), TaskId::new("old-000000777"));
    let list = ListTasks { scope: None, after: None, limit: 20, ascending: false };
    measured.add("create", 150, async |n| make(store, 1000 + n..=1000 + n).await).await;
    measured.add("load", 30, async |_| assert!(store.load(&old).await.unwrap().is_some())).await;
    measured.add("next_due_in", 30, async |_| assert!(store.next_due_in().await.unwrap().is_some())).await;
    let claim = async |_| assert_eq!(store.claim_due("worker", LEASE, 10).await.unwrap().len(), 10);
    measured.add("claim_due of 10", 400, claim).await;
    let claim_and_end = async |_| {
        let claim = store.claim_due("worker", LEASE, 1).await.unwrap().remove(0);
        end(Arc::clone(store), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    };
    measured.add("claim and end, with message and watch", 400, claim_and_end).await;
    let live = async |_| assert_eq!(store.live_tasks().await.unwrap().len(), 1);
    measured.add("live_tasks", 300, live).await;
    let holdings = async |_| assert!(store.live_holdings().await.unwrap().len() >= 100);
    measured.add("live_holdings", 1500, holdings).await;
    let listed = async |_| assert_eq!(store.list(&ann, &list).await.unwrap().len(), 20);
    measured.add("list of 20", 200, listed).await;
}

async fn messages(store: &PostgresStore, measured: &mut Measured<'_>) {
    let (main, known) = (AccountName::new("main"), ["handle-7".to_owned(), "none".to_owned()]);
    let next = async |_| assert!(store.next_delivery_in().await.unwrap().is_some());
    measured.add("next_delivery_in", 30, next).await;
    let claim = async |_| assert_eq!(store.claim_deliveries("sender", LEASE, 1, &[]).await.unwrap().len(), 1);
    measured.add("claim_deliveries of 1", 100, claim).await;
    let dead = async |_| assert!(store.deliveries(DeliveryState::Dead, 20).await.unwrap().is_empty());
    measured.add("deliveries that are dead", 50, dead).await;
    measured.add("next_late_in", 30, async |_| assert!(store.next_late_in().await.unwrap().is_some())).await;
    let claim = async |_| assert_eq!(store.claim_late(LEASE, 1).await.unwrap().len(), 1);
    measured.add("claim_late of 1", 100, claim).await;
    let hear = async |n| {
        let digest = [u8::try_from(n).unwrap(); 32];
        let attempt = (TaskId::new("task-1"), 1);
        let heard = Heard { account: main.clone(), digest, attempt, handle: None };
        assert!(store.hear(&heard).await.unwrap());
    };
    measured.add("hear", 100, hear).await;
    let handles = async |_| assert_eq!(store.known_handles(&main, &known).await.unwrap(), ["handle-7"]);
    measured.add("known_handles of 2", 30, handles).await;
}

async fn operators(store: &PostgresStore, measured: &mut Measured<'_>) {
    let old = TaskId::new("old-000000777");
    let (model, account) = (Some("none".to_owned()), Some(AccountName::new("main")));
    let search = TaskSearch { model, account, limit: 20, scan_max: 1000, ..TaskSearch::default() };
    let bounds = SummaryBounds { uncopied_since: AT, crashes_min: 1 };
    let summary = async |_| assert!(!store.live_summary(bounds).await.unwrap().tasks.is_empty());
    measured.add("live_summary", 1500, summary).await;
    measured.add("task_file", 60, async |_| assert!(store.task_file(&old).await.unwrap().is_some())).await;
    let found = async |_| assert!(store.search_tasks(&search).await.unwrap().tasks.is_empty());
    measured.add("search_tasks among 1000", 1500, found).await;
    let versions = async |_| assert_eq!(store.account_versions().await.unwrap(), [""]);
    measured.add("account_versions", 1500, versions).await;
    let after = measured.stage.number("SELECT MAX(sequence) - 20 FROM ledger").await;
    let page = async |_| {
        assert_eq!(store.ledger((after, 20), LedgerSpan::default(), None).await.unwrap().len(), 20);
    };
    measured.add("20 rows of the ledger", 300, page).await;
}

/// By which only [`OLD`] tasks are past their time, in milliseconds.
const AGE_OF_OLD: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT - 1000000";
