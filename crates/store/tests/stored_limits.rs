//! What schema version 6 stored must load for ever, as `stored_forms.rs` says of the versions before: what was used of daily
//! limits, versions of accounts, an attempt that was abandoned, what a client wants of accounts.

use std::time::Duration;

use domain::{
    AccountName, Attempt, AttemptOutcome, GenerationRequest, Money, NewAttempt, OwnerId, Preference, Quote,
    QuotedPrice, Scope, Strategy, Task, TaskEvent, TaskId, TaskState, Timestamp,
};
use store::{Clock, DailyKey, Ending, LiveHolding, Next, Operations, SqliteSettings, SqliteStore, Tasks};

const NOW: Next = Next::Due { after: Duration::ZERO };

#[tokio::test]
async fn what_version_6_stored_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("fixtures/v6.sql")).unwrap();
    drop(connection);

    let settings = SqliteSettings { clock: Clock::new(|| at(60)), ..SqliteSettings::default() };
    let store = SqliteStore::open_exclusive(&path, settings).unwrap();
    assert_eq!(store.load(&TaskId::new("counted")).await.unwrap(), Some(counted()));
    let holding = LiveHolding {
        task: TaskId::new("counted"),
        owner: OwnerId::new("ann"),
        model: "veo3.1".into(),
        account: Some(AccountName::new("kie-main")),
    };
    assert_eq!(store.live_holdings().await.unwrap(), [holding]);
    assert_eq!(store.account_versions().await.unwrap(), ["0b"]);
    assert_eq!(used(&store, &client_keys()).await, [(2, money("1")); 2]);
    assert_eq!(used(&store, &account_keys()).await, [(2, money("0.6")); 2]);

    let mut claim = store.claim_due("worker", Duration::from_secs(1), 1).await.unwrap().remove(0);
    claim.task.apply(TaskEvent::AttemptFailed { reason: "f".into() }, at(60)).unwrap();
    claim.task.apply(TaskEvent::Cancelled, at(60)).unwrap();
    let end = Ending { settlement: claim.task.settlement(), ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await.unwrap();
    assert_eq!(used(&store, &client_keys()).await, [(2, Money::ZERO); 2], "its place stays taken");
    assert_eq!(used(&store, &account_keys()).await, [(1, money("0.3")); 2], "who knows what was abandoned");
}

/// What version 7 added: accounts that an operator has drained.
#[tokio::test]
async fn what_version_7_stored_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("fixtures/v7.sql")).unwrap();
    drop(connection);

    let settings = SqliteSettings { clock: Clock::new(|| at(60)), ..SqliteSettings::default() };
    let store = SqliteStore::open_exclusive(&path, settings).unwrap();
    assert_eq!(store.drained_accounts().await.unwrap(), [AccountName::new("kie-main")]);
    assert_eq!(store.load(&TaskId::new("counted")).await.unwrap(), Some(counted()));
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + second * 1000)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn client_keys() -> [DailyKey; 2] {
    let ann = OwnerId::new("ann");
    [DailyKey::Client(ann.clone()), DailyKey::ClientModel(ann, "veo3.1".into())]
}

fn account_keys() -> [DailyKey; 2] {
    [DailyKey::Account(AccountName::new("kie-main")), DailyKey::Provider("kie".into())]
}

fn queued(id: &str) -> Task {
    let quoted = |account: &str, price| QuotedPrice {
        account: AccountName::new(account),
        upstream_model: "veo3_fast".into(),
        price: money(price),
    };
    let mut request = GenerationRequest::new(Scope::Videos, "veo3.1", "a cat");
    request.preference = Preference {
        strategy: Some(Strategy::RoundRobin),
        official: true,
        price_max: Some(money("1.5")),
        region: Some("eu".into()),
        accounts: Some(vec![AccountName::new("kie-main"), AccountName::new("kie-spare")]),
    };
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request,
        state: TaskState::Queued,
        attempts: vec![],
        created_at: at(0),
        deadline_at: at(3600),
        quote: Quote::new(vec![quoted("kie-main", "0.3"), quoted("kie-spare", "1")]),
        version: 0,
    }
}

fn plan(account_version: &str) -> NewAttempt {
    NewAttempt {
        account: AccountName::new("kie-main"),
        provider: "kie".into(),
        upstream_model: "veo3_fast".into(),
        account_version: account_version.into(),
    }
}

/// Its first attempt was abandoned, its second one is taken; both count.
fn counted() -> Task {
    let attempt =
        |number, version, outcome| Attempt { number, plan: plan(version), intended_at: at(1), outcome };
    let abandoned = AttemptOutcome::Abandoned { reason: "by the operator".into() };
    let accepted = AttemptOutcome::Accepted { handle: "up-2".into(), at: at(1) };
    Task {
        state: TaskState::Running { handle: "up-2".into(), since: at(1), percent: None },
        attempts: vec![attempt(1, "0a", abandoned), attempt(2, "0b", accepted)],
        version: 5,
        ..queued("counted")
    }
}

/// How many tasks and how much is used today, by key.
async fn used(store: &SqliteStore, keys: &[DailyKey]) -> Vec<(u32, Money)> {
    let used = store.used_today(keys).await.expect("used today");
    used.iter().map(|used| (used.tasks, used.spend)).collect()
}
