//! Reads of the ledger while others write it.

use std::time::Duration;

use domain::{Credential, OwnerId, Task};
use store::{Books as _, LedgerSpan, PostgresClock, PostgresSettings, PostgresStore, Tasks as _, Terms};
use tokio_postgres::{Client, NoTls};

use crate::stage::{Stage, task};

const PAGE: usize = 7;
/// A row that somebody writes for long.
const SLOW: &str = "BEGIN; INSERT INTO ledger (task_id, kind, amount, owner, model, at)
    VALUES ('slow', 'reserve', 1, 'ann', 'm', (extract(epoch FROM clock_timestamp()) * 1000)::bigint)";

/// Has each transaction wait for up to 20 ms when it has written the ledger.
const LINGERING: &str = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(random() * 0.02); RETURN NULL; END $$;
    CREATE TRIGGER lingers AFTER INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION linger()";

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

/// A row that is still being written, by that client, between those of two tasks; of these a reader finds the first, whose
/// number is the other one.
async fn a_slow_writer(stage: &Stage) -> (Client, i64) {
    let (slow, connection) = tokio_postgres::connect(&stage.server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    stage.make(0..1).await;
    slow.batch_execute(SLOW).await.unwrap();
    stage.make(1..2).await;
    let mut after = 0;
    assert_eq!(read_on(&stage.store(0), &mut after).await, ["task-0"]);
    (slow, after)
}

#[tokio::test]
async fn a_row_that_is_still_being_written_is_not_passed_over() {
    let stage = Stage::open().await;
    let (slow, mut after) = a_slow_writer(&stage).await;
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(read_on(&stage.store(0), &mut after).await, ["slow", "task-1"]);
}

#[tokio::test]
async fn a_row_that_never_came_holds_readers_up_only_while_it_could() {
    let stage = Stage::open().await;
    let (slow, mut after) = a_slow_writer(&stage).await;
    slow.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(read_on(&stage.store(0), &mut after).await, [""; 0]);
    let in_an_hour = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000";
    let settings = PostgresSettings {
        allow_unsafe_server: true,
        clock: PostgresClock::from_expression(in_an_hour),
        ..PostgresSettings::new(Credential::new(stage.server.url()))
    };
    let later = PostgresStore::open(settings).await.unwrap();
    assert_eq!(read_on(&later, &mut after).await, ["task-1"]);
}

/// Two stores write, for owners of their own, which would hold each other up otherwise. Each transaction lingers between the
/// number of its row and its commit, and a reader reads on all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_writers_misses_nothing() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 25;
    let stage = Stage::open().await;
    stage.sql.batch_execute(LINGERING).await.unwrap();
    let mut writing = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = stage.store(writer);
        writing.spawn(async move {
            for number in 0..EACH {
                let owner = OwnerId::new(format!("owner-{writer}"));
                let task = Task { owner, ..task(writer * EACH + number) };
                store.create(&task, &Terms::concurrent_tasks(u32::MAX)).await.unwrap();
            }
        });
    }
    let reader = stage.store(0);
    let (mut found, mut after) = (Vec::new(), 0);
    while !writing.is_empty() {
        found.extend(read_on(&reader, &mut after).await);
        if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(1), writing.join_next()).await {
            done.unwrap();
        }
    }
    found.extend(read_on(&reader, &mut after).await);
    let order = "SELECT string_agg(task_id, ',' ORDER BY sequence) FROM ledger";
    let all: String = stage.sql.query_one(order, &[]).await.unwrap().get(0);
    assert_eq!(found, all.split(',').collect::<Vec<_>>());
}
