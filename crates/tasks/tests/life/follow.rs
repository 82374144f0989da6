//! Following a task: by those who are told, and by those who have to look.

use std::time::Duration;

use domain::{TaskEvent, Timestamp};
use store::{Next, Tasks};
use tasks::Writers;
use tokio::time::timeout;

use crate::stage::{PATIENCE, Stage, account, client};

async fn stage(writers: Writers) -> Stage {
    Stage::with(vec![account("a", "http://127.0.0.1:1")], |settings| settings.writers = writers).await
}

#[tokio::test]
async fn what_another_process_writes_is_seen_by_all_who_follow() {
    let stage = stage(Writers::Several).await;
    let task = stage.accept().await;
    let follow = async || stage.service.follow(&client("owner"), &task.id, None).await.unwrap();
    let (mut one, mut other) = (follow().await, follow().await);

    let mut claim = stage.store.claim_due("another", PATIENCE, 1).await.unwrap().pop().unwrap();
    claim.task.apply(TaskEvent::Cancelled, Timestamp::from_millis(1)).unwrap();
    let next = Next::Due { after: Duration::ZERO };
    let version = stage.store.advance(&claim.task, claim.epoch, next, None).await.unwrap();

    timeout(PATIENCE, async { tokio::join!(one.changed(), other.changed()) }).await.expect("they look again");
    for following in [one, other] {
        assert_eq!((following.task().version, following.task().state.name()), (version, "cancelled"));
    }
}

#[tokio::test]
async fn who_waits_is_answered_when_the_time_is_over() {
    let stage = stage(Writers::Alone).await;
    let task = stage.accept().await;
    let seen = stage.service.wait(&client("owner"), &task.id, Duration::from_millis(20)).await.unwrap();
    assert_eq!(seen.state.name(), "queued");
}
