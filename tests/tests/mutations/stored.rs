//! Scenarios of what the database forbids.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::time::Duration;

use domain::{
    AccountName, Attempt, AttemptOutcome, Failure, FailureKind, GenerationRequest, Money, NewAttempt,
    OwnerId, Quote, QuotedPrice, Scope, Task, TaskEvent, TaskId, TaskState, Timestamp,
};
use store::{
    Admission, Callbacks as _, Claim, Ending, Heard, IdempotencyKey, Next, SqliteSettings, SqliteStore,
    StoreError, Tasks as _, Terms,
};
use tempfile::TempDir;

const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const PRICE: i64 = 6;
const LEASE: Duration = Duration::from_secs(60);
const KEEP: Next = Next::Keep { lease: LEASE };

struct Fixture {
    _folder: TempDir,
    store: SqliteStore,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = SqliteStore::open(folder.path().join("store.sqlite"), SqliteSettings::default()).unwrap();
        Self { _folder: folder, store }
    }

    async fn create(&self, id: &str, terms: &Terms) -> Admission {
        self.store.create(&task(id), terms).await.unwrap()
    }

    /// Two tasks of one owner; the claim of the first.
    async fn claimed(&self) -> Claim {
        for id in ["first", "second"] {
            assert_eq!(self.create(id, &terms()).await, Admission::Admitted);
        }
        self.claim(LEASE).await
    }

    async fn claim(&self, lease: Duration) -> Claim {
        let mut claims = self.store.claim_due("worker", lease, 2).await.unwrap();
        let first = claims.iter().position(|claim| claim.task.id.as_str() == "first").unwrap();
        claims.swap_remove(first)
    }

    async fn end(&self, claim: &Claim) -> Result<u64, StoreError> {
        let mut ended = claim.task.clone();
        let failure = Failure::new(FailureKind::GenerationFailed, "in vain");
        ended.apply(TaskEvent::Failed { failure }, AT).unwrap();
        let end = Ending { settlement: ended.settlement(), ..Ending::default() };
        self.store.advance(&ended, claim.epoch, Next::Due { after: Duration::ZERO }, Some(&end)).await
    }
}

fn terms() -> Terms {
    Terms::concurrent_tasks(10)
}

fn task(id: &str) -> Task {
    let price = QuotedPrice {
        account: AccountName::new("main"),
        upstream_model: "m".into(),
        price: Money::from_billionths(PRICE),
    };
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: vec![],
        created_at: AT,
        deadline_at: AT.plus(Duration::from_secs(3600)),
        quote: Quote::new(vec![price]),
        version: 0,
    }
}

fn plan() -> NewAttempt {
    NewAttempt {
        account: AccountName::new("main"),
        provider: "v2".into(),
        upstream_model: "m".into(),
        account_version: String::new(),
    }
}

#[tokio::test]
async fn one_live_attempt() {
    let fixture = Fixture::new();
    let mut claim = fixture.claimed().await;
    claim.task.apply(TaskEvent::SubmitIntended { plan: plan() }, AT).unwrap();
    claim.task.version = fixture.store.advance(&claim.task, claim.epoch, KEEP, None).await.unwrap();
    let second = Attempt { number: 2, plan: plan(), intended_at: AT, outcome: AttemptOutcome::Intended };
    claim.task.attempts.push(second);
    let stored = fixture.store.advance(&claim.task, claim.epoch, KEEP, None).await;
    assert!(
        matches!(stored, Err(StoreError::SecondLiveAttempt)),
        "a second live attempt was stored: {stored:?}"
    );
}

#[tokio::test]
async fn end_compare_and_set() {
    let fixture = Fixture::new();
    let older = fixture.claimed().await;
    let mut newer = older.clone();
    newer.task.apply(TaskEvent::SubmitIntended { plan: plan() }, AT).unwrap();
    fixture.store.advance(&newer.task, newer.epoch, KEEP, None).await.unwrap();
    let ended = fixture.end(&older).await;
    assert!(matches!(ended, Err(StoreError::Stale)), "a writer that read an older version won: {ended:?}");
}

#[tokio::test]
async fn lease_epoch() {
    let fixture = Fixture::new();
    for id in ["first", "second"] {
        fixture.create(id, &terms()).await;
    }
    let paused = fixture.claim(Duration::ZERO).await;
    let _successor = fixture.claim(LEASE).await;
    let ended = fixture.end(&paused).await;
    assert!(matches!(ended, Err(StoreError::Stale)), "a writer whose claim was taken over won: {ended:?}");
}

#[tokio::test]
async fn ledger_unique() {
    let fixture = Fixture::new();
    let claim = fixture.claimed().await;
    fixture.end(&claim).await.unwrap();
    let again = fixture.end(&claim).await;
    assert!(again.is_err(), "an end was settled twice: {again:?}");
}

#[tokio::test]
async fn idempotency_unique() {
    let fixture = Fixture::new();
    let key = IdempotencyKey { key: "k".into(), fingerprint: [1; 32], lifetime: Duration::from_secs(60) };
    let terms = Terms { idempotency: Some(key), ..terms() };
    assert_eq!(fixture.create("first", &terms).await, Admission::Admitted);
    let again = fixture.create("second", &terms).await;
    assert_eq!(again, Admission::Replayed { task: TaskId::new("first") }, "one key made two tasks");
}

#[tokio::test]
async fn budget_condition() {
    let fixture = Fixture::new();
    let terms = Terms { budget: Some(Money::from_billionths(PRICE * 2 - 1)), ..terms() };
    assert_eq!(fixture.create("first", &terms).await, Admission::Admitted);
    let second = fixture.create("second", &terms).await;
    assert!(
        matches!(second, Admission::OverBudget { .. }),
        "more was accepted than the budget has: {second:?}"
    );
}

#[tokio::test]
async fn slot_in_transaction() {
    let fixture = Fixture::new();
    let terms = Terms::concurrent_tasks(1);
    assert_eq!(fixture.create("first", &terms).await, Admission::Admitted);
    let second = fixture.create("second", &terms).await;
    assert_eq!(second, Admission::AtLimit { live: 1 }, "more was accepted than there are slots");
}

#[tokio::test]
async fn inbox() {
    let fixture = Fixture::new();
    let claim = fixture.claimed().await;
    let heard = Heard {
        account: AccountName::new("main"),
        digest: [1; 32],
        attempt: (claim.task.id.clone(), 1),
        handle: None,
    };
    assert!(fixture.store.hear(&heard).await.unwrap());
    assert!(!fixture.store.hear(&heard).await.unwrap(), "a repetition was news");
}
