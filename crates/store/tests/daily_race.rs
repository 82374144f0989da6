//! Five hundred tasks with limits of the day, each tried at several accounts and ended by three at one time, by four workers:
//! whatever happens, what the days say is the sum of what was counted and not given back, and no limit is exceeded.
#![expect(clippy::unwrap_used, reason = "a test, where a panic is the report")]

use std::sync::Arc;
use std::time::Duration;

use domain::{
    AccountName, DailyLimits, GenerationRequest, Money, NewAttempt, OwnerId, Quote, QuotedPrice, Scope, Task,
    TaskEvent, TaskId, TaskState, Timestamp,
};
use rusqlite::Connection;
use store::{
    Admission, Claim, Clock, DailyKey, DailyLimit, DailyVerdict, Ending, Next, SqliteSettings, SqliteStore,
    StoreError, Tasks, Terms,
};
use tokio::task::JoinSet;

const TASKS: usize = 500;
const WORKERS: u64 = 4;
const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const LEASE: Duration = Duration::from_secs(3600);
const PRICE: i64 = 300;
const RESERVED: i64 = 1000;
const ACCOUNTS: [(&str, u32); 3] = [("one", 50), ("two", 75), ("three", 100)];

/// What a usage differs in from the uses that it is the sum of. A client's spend is what the ledger has not freed.
const WRONG_SUMS: &str = "SELECT COUNT(*) FROM daily_usage AS used WHERE
    tasks <> (SELECT COUNT(*) FROM daily_uses AS counted
              WHERE (counted.day, counted.kind, counted.name, counted.model) = (used.day, used.kind, used.name, used.model))
    OR spend <> CASE WHEN kind IN ('client', 'client_model')
       THEN (SELECT SUM(CASE ledger.kind WHEN 'reserve' THEN amount WHEN 'release' THEN -amount ELSE 0 END) FROM ledger)
       ELSE (SELECT COALESCE(SUM(counted.spend), 0) FROM daily_uses AS counted
             WHERE (counted.day, counted.kind, counted.name) = (used.day, used.kind, used.name)) END";
/// Attempts that may have to be paid and are not counted with their accounts, and uses of attempts that need not be paid.
const WRONG_USES: &str = "SELECT
    (SELECT COUNT(*) FROM attempts WHERE is_live AND NOT EXISTS
        (SELECT 1 FROM daily_uses WHERE daily_uses.task_id = attempts.task_id AND attempt = number
         AND kind = 'account' AND name = account))
    + (SELECT COUNT(*) FROM daily_uses WHERE attempt > 0 AND NOT EXISTS
        (SELECT 1 FROM attempts WHERE attempts.task_id = daily_uses.task_id AND number = attempt AND is_live))";

fn limit(key: DailyKey, tasks: u32) -> DailyLimit {
    DailyLimit { key, limits: DailyLimits { tasks: Some(tasks), spend: None } }
}

fn task(number: usize) -> Task {
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
        deadline_at: AT.plus(LEASE),
        quote: Quote::new(vec![quoted("one", PRICE), quoted("dear", RESERVED)]),
        version: 0,
    }
}

async fn make(store: Arc<SqliteStore>, number: usize) {
    let ann = OwnerId::new("ann");
    let daily = vec![
        limit(DailyKey::Client(ann.clone()), 2000),
        limit(DailyKey::ClientModel(ann, "veo3.1".into()), 2000),
    ];
    let terms = Terms { daily, ..Terms::concurrent_tasks(u32::MAX) };
    assert_eq!(store.create(&task(number), &terms).await.unwrap(), Admission::Admitted);
}

/// Tries the task at one account after the other, and ends it by three at one time.
async fn work(store: Arc<SqliteStore>, mut claim: Claim, mut dice: fastrand::Rng) {
    let held = (claim.task.id.clone(), claim.epoch);
    let keep = Next::Keep { lease: LEASE };
    for number in 1..=4 {
        let (account, tasks) = ACCOUNTS[dice.usize(..ACCOUNTS.len())];
        let account = AccountName::new(account);
        let limits =
            [limit(DailyKey::Account(account.clone()), tasks), limit(DailyKey::Provider("kie".into()), 200)];
        let price = Money::from_billionths(PRICE);
        let verdict = store.use_daily(&held, number, &limits, price).await.unwrap();
        if verdict != DailyVerdict::Counted {
            break;
        }
        if dice.u8(..8) == 0 {
            // Counted, and never made.
            break;
        }
        let plan = NewAttempt {
            account,
            provider: "kie".into(),
            upstream_model: "m".into(),
            account_version: String::new(),
        };
        let handle = format!("{}.{number}", claim.task.id);
        let outcome = match dice.u8(..4) {
            0 => TaskEvent::SubmitNotSent { reason: String::new() },
            1 => TaskEvent::SubmitRejected { reason: String::new() },
            _ => TaskEvent::Accepted { handle },
        };
        let is_accepted = matches!(outcome, TaskEvent::Accepted { .. });
        for event in [TaskEvent::SubmitIntended { plan }, outcome] {
            claim.task.apply(event, AT).unwrap();
            claim.task.version = store.advance(&claim.task, claim.epoch, keep, None).await.unwrap();
        }
        if is_accepted {
            break;
        }
    }
    let ends = [TaskEvent::Cancelled, TaskEvent::DeadlinePassed, TaskEvent::Cancelled];
    let ending: JoinSet<_> =
        ends.into_iter().map(|event| end(Arc::clone(&store), claim.clone(), event)).collect();
    assert_eq!(ending.join_all().await.iter().filter(|ended| ended.is_ok()).count(), 1);
}

async fn end(store: Arc<SqliteStore>, mut claim: Claim, event: TaskEvent) -> Result<u64, StoreError> {
    claim.task.apply(event, AT).unwrap();
    let end = Ending { settlement: claim.task.settlement(), ..Ending::default() };
    store.advance(&claim.task, claim.epoch, Next::Due { after: Duration::ZERO }, Some(&end)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn days_are_the_sums_of_what_was_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let settings = SqliteSettings { clock: Clock::new(|| AT), ..SqliteSettings::default() };
    let store = Arc::new(SqliteStore::open(&path, settings).unwrap());
    let making: JoinSet<_> = (0..TASKS).map(|number| make(Arc::clone(&store), number)).collect();
    making.join_all().await;
    let claims = store.claim_due("worker", LEASE, usize::MAX).await.unwrap();
    let mut working = JoinSet::new();
    for (seed, claims) in (0..WORKERS).zip(claims.chunks(TASKS.div_ceil(4))) {
        let (store, claims) = (Arc::clone(&store), claims.to_vec());
        working.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(seed);
            for claim in claims {
                work(Arc::clone(&store), claim, dice.fork()).await;
            }
        });
    }
    working.join_all().await;
    drop(store);

    let connection = Connection::open(&path).unwrap();
    let count = |sql: &str| -> u64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!((count(WRONG_SUMS), count(WRONG_USES)), (0, 0));
    let used = |name: &str| {
        count(&format!(
            "SELECT COALESCE(SUM(tasks), 0) FROM daily_usage WHERE name = '{name}' AND model = ''"
        ))
    };
    for (account, tasks) in ACCOUNTS {
        assert!(used(account) > 0 && used(account) <= u64::from(tasks), "{account}: {}", used(account));
    }
    assert_eq!(used("kie"), 200, "more wanted to than there was room for");
    assert_eq!(used("ann"), TASKS as u64);
}
