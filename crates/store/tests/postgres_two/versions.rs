//! An older and a newer program on one database, as while a cluster is rolled.

use std::time::Duration;

use domain::{TaskEvent, TaskId};
use store::{Retention as _, StoreError, Tasks as _, Terms};

use crate::stage::{LEASE, Stage, end, open, task};

const LATER: &str =
    r#"UPDATE tasks SET state = 'rendering', state_data = '{"state":"rendering"}' WHERE id = 'task-0'"#;
const KNOWN_AGAIN: &str = r#"UPDATE tasks SET state = 'queued', state_data = '{"state":"queued"}', version = 1 WHERE id = 'task-0'"#;
/// What of a task is more than who may claim it when.
const CONTENT: &str =
    "SELECT (id, state, state_data, version, ended_at, crashes, lease_holder, request)::TEXT
    FROM tasks WHERE id = 'task-0'";

/// It is as it was, nobody holds it, and it is not looked at again and again.
#[tokio::test]
async fn a_task_in_a_state_of_a_later_version_is_left_alone() {
    let stage = Stage::open().await;
    stage.make(0..1).await;
    stage.sql.execute(LATER, &[]).await.unwrap();
    stage.make(1..3).await;
    let content = async || stage.sql.query_one(CONTENT, &[]).await.unwrap().get::<_, String>(0);
    let (before, store) = (content().await, stage.store(0));
    let mut claimed = Vec::new();
    for _claim in 0..3 {
        claimed.extend(store.claim_due("worker", LEASE, 1).await.unwrap());
    }
    let mut ids: Vec<_> = claimed.iter().map(|claim| claim.task.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["task-1", "task-2"], "others go on, though the oldest cannot be read");
    assert_eq!(content().await, before);
    assert!(store.next_due_in().await.unwrap() > Some(Duration::ZERO), "nobody waits for it");
    let unreadable = store.load(&TaskId::new("task-0")).await;
    assert!(matches!(unreadable, Err(StoreError::Corrupt(_))), "{unreadable:?}");
    assert_eq!(store.live_tasks().await.unwrap().iter().filter(|(state, _)| state == "rendering").count(), 1);

    stage.sql.execute(KNOWN_AGAIN, &[]).await.unwrap();
    let claims = store.claim_due("worker", LEASE, 9).await.unwrap();
    assert_eq!(claims.len(), 1, "whoever could read it has brought it on");
    assert_eq!((claims[0].task.id.as_str(), claims[0].crashes), ("task-0", 0));
}

/// An end of a later version is no end that this one may clear away.
#[tokio::test]
async fn what_ended_in_a_later_version_is_not_deleted() {
    let stage = Stage::open().await;
    stage.make(0..2).await;
    let store = stage.store(0);
    for claim in store.claim_due("worker", LEASE, 2).await.unwrap() {
        end(stage.store(1), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    }
    let settle = "UPDATE deliveries SET due_at = NULL, settled_at = 1, state = 'delivered'";
    stage.sql.execute(settle, &[]).await.unwrap();
    stage.sql.execute("UPDATE late_watches SET due_at = NULL, settled_at = 1", &[]).await.unwrap();
    stage.sql.execute(LATER, &[]).await.unwrap();
    assert_eq!(store.purge_tasks(Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(stage.number("SELECT COUNT(*) FROM tasks WHERE id = 'task-0'").await, 1);
}

/// Columns and tables that are only added, with the note that they were: this program runs on it, also if it is opened anew.
#[tokio::test]
async fn a_schema_of_a_later_version_serves() {
    let stage = Stage::open().await;
    stage.make(0..1).await;
    let later = "ALTER TABLE tasks ADD COLUMN shade TEXT; ALTER TABLE deliveries ADD COLUMN shade TEXT;
        ALTER TABLE client_keys ADD COLUMN shade TEXT; CREATE TABLE shades (name TEXT PRIMARY KEY);
        CREATE INDEX tasks_shade ON tasks (shade);
        INSERT INTO refinery_schema_history VALUES (1000, 'shades', '2030-01-01T00:00:00Z', '1')";
    stage.sql.batch_execute(later).await.unwrap();
    let opened = open(&stage.server.url()).await;
    for (number, store) in [(1, &opened), (2, &stage.stores[0])] {
        store.create(&task(number), &Terms::concurrent_tasks(9)).await.unwrap();
    }
    let claims = opened.claim_due("worker", LEASE, 9).await.unwrap();
    assert_eq!(claims.len(), 3);
    for claim in claims {
        end(stage.store(0), claim, vec![TaskEvent::DeadlinePassed]).await.unwrap();
    }
}
