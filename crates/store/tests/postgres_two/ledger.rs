//! Reads of the ledger while others write it.

use std::sync::Arc;
use std::time::Duration;

use domain::Credential;
use store::{Books as _, LedgerSpan, PostgresClock, PostgresSettings, PostgresStore, Tasks as _, Terms};
use tokio_postgres::{Client, NoTls};

use crate::stage::{Stage, task};

const PAGE: usize = 7;
/// A row that somebody writes for long.
const SLOW: &str = "BEGIN; INSERT INTO ledger (task_id, kind, amount, owner, model, at)
    VALUES ('slow', 'reserve', 1, 'ann', 'm', (extract(epoch FROM clock_timestamp()) * 1000)::bigint)";

async fn writer(stage: &Stage) -> Client {
    let (client, connection) = tokio_postgres::connect(&stage.server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What a reader finds who goes on after the last row that it knows: the tasks, in the order of the rows.
async fn read_on(store: &PostgresStore, after: &mut i64) -> Vec<String> {
    let mut tasks = Vec::new();
    loop {
        let page = store.ledger((*after, PAGE), LedgerSpan::default(), None).await.unwrap();
        let Some(last) = page.last() else { return tasks };
        *after = last.sequence;
        tasks.extend(page.into_iter().map(|row| row.task.as_str().to_owned()));
    }
}

#[tokio::test]
async fn a_row_that_is_still_being_written_is_not_passed_over() {
    let (stage, mut after) = (Stage::open().await, 0);
    let slow = writer(&stage).await;
    stage.make(0..1).await;
    slow.batch_execute(SLOW).await.unwrap();
    stage.make(1..2).await;
    assert_eq!(read_on(&stage.store(0), &mut after).await, ["task-0"]);
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(read_on(&stage.store(0), &mut after).await, ["slow", "task-1"]);
}

#[tokio::test]
async fn a_row_that_never_came_holds_readers_up_only_while_it_could() {
    let (stage, mut after) = (Stage::open().await, 0);
    let slow = writer(&stage).await;
    stage.make(0..1).await;
    slow.batch_execute(SLOW).await.unwrap();
    stage.make(1..2).await;
    slow.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(read_on(&stage.store(0), &mut after).await, ["task-0"]);

    let in_an_hour = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000";
    let settings = PostgresSettings {
        allow_unsafe_server: true,
        clock: PostgresClock::from_expression(in_an_hour),
        ..PostgresSettings::new(Credential::new(stage.server.url()))
    };
    let later = PostgresStore::open(settings).await.unwrap();
    assert_eq!(read_on(&later, &mut after).await, ["task-1"]);
}

/// Two stores write, a third connection reads on all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_writers_misses_nothing() {
    const TASKS: u64 = 400;
    let stage = Stage::open().await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..TASKS {
        let store = stage.store(number);
        writing.spawn(async move {
            store.create(&task(number), &Terms::concurrent_tasks(u32::MAX)).await.unwrap();
        });
    }
    let reader = Arc::clone(&stage.stores[0]);
    let (mut found, mut after) = (Vec::new(), 0);
    while !writing.is_empty() {
        found.extend(read_on(&reader, &mut after).await);
        let _done = tokio::time::timeout(Duration::from_millis(1), writing.join_next()).await;
    }
    found.extend(read_on(&reader, &mut after).await);
    let order = "SELECT string_agg(task_id, ',' ORDER BY sequence) FROM ledger";
    let all: String = stage.sql.query_one(order, &[]).await.unwrap().get(0);
    assert_eq!(found, all.split(',').collect::<Vec<_>>());
}
