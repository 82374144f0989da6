//! What schema versions 4 and 5 stored of money must load for ever, as `stored_forms.rs` says of the versions before: prices, the
//! ledger, budgets, keys of idempotency, the inbox, late results, crashes.

use std::time::Duration;

use domain::{
    AccountName, GenerationRequest, MediaKind, Money, Output, OutputMedia, OwnerId, Quote, QuotedPrice,
    Scope, Task, TaskId, TaskState, Timestamp,
};
use store::{
    Admission, Books, Callbacks, Clock, IdempotencyKey, Keys, LateWork, LedgerSpan, SqliteSettings,
    SqliteStore, Tasks, Terms,
};

#[tokio::test]
async fn what_version_5_stored_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("fixtures/v5.sql")).unwrap();
    drop(connection);

    let settings = SqliteSettings { clock: Clock::new(|| at(60)), ..SqliteSettings::default() };
    let store = SqliteStore::open_exclusive(&path, settings).unwrap();
    let priced = store.load(&TaskId::new("priced")).await.unwrap().unwrap();
    assert_eq!((priced.quote, priced.state.name()), (quote(), "succeeded"));
    let rows = store.ledger((0, 10), LedgerSpan::default(), None).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.task.as_str(), row.kind.as_str(), row.amount.to_string(), row.handle.as_deref()))
        .collect();
    let expected = [
        ("priced", "reserve", "1", None),
        ("priced", "capture", "0.3", Some("up-1")),
        ("priced", "release", "0.7", None),
        ("late", "reserve", "1", None),
        ("late", "release", "1", None),
        ("late", "late_adjustment", "0.3", Some("up-2")),
    ];
    assert_eq!(told, expected.map(|(task, kind, amount, handle)| (task, kind, amount.to_owned(), handle)));
    let [late] = &store.late_results(10).await.unwrap()[..] else { panic!("one came late") };
    assert_eq!((late.task.as_str(), late.amount, &late.outputs[..]), ("late", money("0.3"), &[output()][..]));
    let [key] = &store.keys().await.unwrap()[..] else { panic!("one key") };
    assert_eq!(key.budget, Some(money("12.5")));
    let heard = store.heard_handle(&TaskId::new("priced"), 1).await.unwrap();
    assert_eq!(heard.as_deref(), Some("up-1"));
    let replayed = store.create(&task("again"), &named()).await.unwrap();
    assert_eq!(replayed, Admission::Replayed { task: TaskId::new("crashing") });
    let over = Terms { budget: Some(money("1.59")), ..Terms::concurrent_tasks(10) };
    let refused = store.create(&task("over"), &over).await.unwrap();
    assert_eq!(refused, Admission::OverBudget { left: money("0.99") });
    let [crashing] = &store.crashing(1, 10).await.unwrap()[..] else { panic!("one crashes") };
    assert_eq!((crashing.task.as_str(), crashing.crashes), ("crashing", 3));
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + second * 1000)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn quote() -> Quote {
    let quoted = |account: &str, price| QuotedPrice {
        account: AccountName::new(account),
        upstream_model: "veo3_fast".into(),
        price: money(price),
    };
    Quote::new(vec![quoted("kie-main", "0.3"), quoted("kie-spare", "1")])
}

fn task(id: &str) -> Task {
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: Vec::new(),
        created_at: at(0),
        deadline_at: at(3600),
        quote: quote(),
        version: 0,
    }
}

fn output() -> Output {
    Output { kind: MediaKind::Video, media: OutputMedia::Remote { url: "https://up.example/1.mp4".into() } }
}

fn named() -> Terms {
    let day = Duration::from_secs(24 * 3600);
    let key = IdempotencyKey { key: "key:k".into(), fingerprint: [9; 32], lifetime: day };
    Terms { idempotency: Some(key), ..Terms::concurrent_tasks(10) }
}
