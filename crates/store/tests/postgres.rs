//! The back end on PostgreSQL passes the suite, on a server of its own for each behaviour.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Credential;
use store::conformance::Harness;
use store::postgres_server::{Listen, PostgresServer};
use store::{PostgresClock, PostgresSettings, PostgresStore, Store};
use tokio_postgres::{Client, NoTls};

struct Postgres {
    store: Arc<PostgresStore>,
    clock: Client,
    server: PostgresServer,
}

async fn open(server: &PostgresServer) -> Arc<PostgresStore> {
    let settings = PostgresSettings {
        clock: PostgresClock::from_expression("millis FROM test_clock"),
        allow_unsafe_server: true,
        connections_max: 8,
        ..PostgresSettings::new(Credential::new(server.url()))
    };
    Arc::new(PostgresStore::open(settings).await.expect("open"))
}

#[async_trait]
impl Harness for Postgres {
    async fn open() -> Self {
        let server = PostgresServer::start(Listen::Socket, &[]);
        let (clock, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("connect");
        tokio::spawn(connection);
        let begin =
            "CREATE TABLE test_clock (millis BIGINT NOT NULL); INSERT INTO test_clock VALUES (1000000)";
        clock.batch_execute(begin).await.expect("a clock");
        Self { store: open(&server).await, clock, server }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::<PostgresStore>::clone(&self.store)
    }

    fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("a short time");
        let pass =
            async { self.clock.execute("UPDATE test_clock SET millis = millis + $1", &[&millis]).await };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(pass)).expect("pass");
    }

    /// The process is gone, and so are its connections; the server has what it had committed.
    async fn crash(&mut self) {
        self.store = open(&self.server).await;
    }
}

store::stamp_conformance!(Postgres);
