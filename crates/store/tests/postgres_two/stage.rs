//! A database, two stores on it, and tasks.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    AccountName, Credential, GenerationRequest, Money, NewAttempt, OwnerId, Quote, QuotedPrice, Scope, Task,
    TaskEvent, TaskId, TaskState, Timestamp,
};
use store::postgres_server::{Listen, PostgresServer};
use store::{
    Admission, Claim, Ending, NewDelivery, Next, PostgresSettings, PostgresStore, StoreError, Tasks as _,
    Terms,
};
use tokio_postgres::{Client, NoTls};

pub(crate) const LEASE: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);
pub(crate) const PRICE: i64 = 300;
pub(crate) const RESERVED: i64 = 1000;
pub(crate) const NOW: Next = Next::Due { after: Duration::ZERO };

/// Two stores as two gateways have them.
pub(crate) struct Stage {
    pub(crate) stores: [Arc<PostgresStore>; 2],
    /// For what no store shows.
    pub(crate) sql: Client,
    pub(crate) server: PostgresServer,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::on(PostgresServer::start(Listen::Socket, &[])).await
    }

    pub(crate) async fn on(server: PostgresServer) -> Self {
        let (sql, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let stores = [open(&server.url()).await, open(&server.url()).await];
        Self { stores, sql, server }
    }

    /// The store of the gateway that does the work of that number.
    pub(crate) fn store(&self, number: u64) -> Arc<PostgresStore> {
        Arc::clone(&self.stores[usize::from(number % 2 == 1)])
    }

    /// Makes tasks through both.
    pub(crate) async fn make(&self, numbers: impl Iterator<Item = u64>) {
        let mut making = tokio::task::JoinSet::new();
        for number in numbers {
            let store = self.store(number);
            making.spawn(async move {
                store.create(&task(number), &Terms::concurrent_tasks(u32::MAX)).await.unwrap()
            });
        }
        assert!(making.join_all().await.iter().all(|admission| *admission == Admission::Admitted));
    }

    /// The number that a query has for its only answer.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// All rows of these tables, as text.
    pub(crate) async fn rows(&self, tables: &[&str]) -> Vec<String> {
        let mut rows = Vec::new();
        for table in tables {
            let sql = format!("SELECT row::TEXT FROM {table} AS row ORDER BY 1");
            rows.extend(self.sql.query(&sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        rows
    }
}

/// A store on that database.
pub(crate) async fn open(url: &str) -> Arc<PostgresStore> {
    // Hundreds at one time wait for sixteen connections: that is not what is tried here.
    let settings = PostgresSettings {
        allow_unsafe_server: true,
        acquire_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        ..PostgresSettings::new(Credential::new(url))
    };
    Arc::new(PostgresStore::open(settings).await.unwrap())
}

/// Ann's.
pub(crate) fn task(number: u64) -> Task {
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

/// Its account has it.
pub(crate) fn accepted(mut claim: Claim) -> Claim {
    let plan = NewAttempt {
        account: AccountName::new("main"),
        provider: "v2".into(),
        upstream_model: "m".into(),
        account_version: String::new(),
    };
    let handle = claim.task.id.as_str().to_owned();
    for event in [TaskEvent::SubmitIntended { plan }, TaskEvent::Accepted { handle }] {
        claim.task.apply(event, AT).unwrap();
    }
    claim
}

/// Ends a claimed task, with a message and a watch.
pub(crate) async fn end(
    store: Arc<PostgresStore>,
    claim: Claim,
    events: Vec<TaskEvent>,
) -> Result<u64, StoreError> {
    let mut claim = accepted(claim);
    for event in events {
        claim.task.apply(event, AT).unwrap();
    }
    let message = NewDelivery {
        id: format!("msg-{}-{}", claim.task.id, claim.task.state.name()),
        host: "example.com:443".into(),
        url: "https://example.com/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    };
    let end =
        Ending { message: Some(message), settlement: claim.task.settlement(), watch: Some(100 * LEASE) };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await
}
