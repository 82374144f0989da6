//! What is taken through one store is not taken through the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::TaskEvent;
use store::{Deliveries as _, LateWord, LateWork as _, PostgresStore, Tasks as _, Tried};
use tokio::task::JoinSet;

use crate::stage::{LEASE, Stage, end};

const TASKS: u64 = 300;
const ROUNDS: u64 = 6_000;
const CLAIMERS: u64 = 6;

/// Who holds what, as the holders see it.
#[derive(Default)]
struct Held {
    now: Mutex<HashSet<String>>,
    taken: AtomicU64,
}

impl Held {
    /// Notes that somebody has it.
    fn take(&self, id: &str) {
        assert!(self.now.lock().unwrap().insert(id.to_owned()), "{id} was taken twice");
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    fn give_back(&self, id: &str) {
        assert!(self.now.lock().unwrap().remove(id));
    }
}

async fn take_and_give_back(store: Arc<PostgresStore>, held: Arc<Held>) {
    while held.taken.load(Ordering::Relaxed) < ROUNDS {
        let claims = store.claim_due("holder", LEASE, 7).await.unwrap();
        claims.iter().for_each(|claim| held.take(claim.task.id.as_str()));
        let claims: Vec<_> = claims.into_iter().map(|claim| (claim.task.id, claim.epoch)).collect();
        claims.iter().for_each(|(id, _)| held.give_back(id.as_str()));
        store.release(&claims, Duration::ZERO).await.unwrap();
    }
}

/// Thousands of times, by claimers on either side that are always after the same few.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claimers_never_have_one_task() {
    let stage = Stage::open().await;
    stage.make(0..TASKS).await;
    let held = Arc::<Held>::default();
    let claimers: JoinSet<()> =
        (0..CLAIMERS).map(|number| take_and_give_back(stage.store(number), Arc::clone(&held))).collect();
    claimers.join_all().await;
    assert!(held.taken.load(Ordering::Relaxed) >= ROUNDS);
    let epochs = stage.number("SELECT SUM(lease_epoch)::BIGINT FROM tasks").await;
    assert_eq!(epochs, i64::try_from(held.taken.load(Ordering::Relaxed)).unwrap());
}

async fn end_all(stage: &Stage) {
    stage.make(0..TASKS).await;
    let claims = stage.store(0).claim_due("worker", LEASE, usize::MAX).await.unwrap();
    assert_eq!(claims.len() as u64, TASKS);
    let ends: JoinSet<_> = (0..)
        .zip(claims)
        .map(|(n, claim)| end(stage.store(n), claim, vec![TaskEvent::DeadlinePassed]))
        .collect();
    assert!(ends.join_all().await.iter().all(Result::is_ok));
}

async fn send(store: Arc<PostgresStore>, held: Arc<Held>) {
    loop {
        let claims = store.claim_deliveries("sender", LEASE, 5, &[]).await.unwrap();
        if claims.is_empty() {
            return;
        }
        for claim in claims {
            held.take(&claim.delivery.message.id);
            store.settle_delivery(&claim.delivery.message.id, claim.epoch, &Tried::Delivered).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_senders_never_have_one_message() {
    let stage = Stage::open().await;
    end_all(&stage).await;
    let held = Arc::<Held>::default();
    let senders: JoinSet<()> =
        (0..CLAIMERS).map(|number| send(stage.store(number), Arc::clone(&held))).collect();
    senders.join_all().await;
    assert_eq!(held.taken.load(Ordering::Relaxed), TASKS);
    assert_eq!(stage.store(0).next_delivery_in().await.unwrap(), None);
}

async fn look(store: Arc<PostgresStore>, held: Arc<Held>) {
    loop {
        let claims = store.claim_late(LEASE, 5).await.unwrap();
        if claims.is_empty() {
            return;
        }
        for claim in claims {
            held.take(claim.task.id.as_str());
            store.settle_late(&claim, &LateWord::GivenUp).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_watchers_never_have_one_ended_task() {
    let stage = Stage::open().await;
    end_all(&stage).await;
    let held = Arc::<Held>::default();
    let watchers: JoinSet<()> =
        (0..CLAIMERS).map(|number| look(stage.store(number), Arc::clone(&held))).collect();
    watchers.join_all().await;
    assert_eq!(held.taken.load(Ordering::Relaxed), TASKS);
    assert_eq!(stage.store(1).next_late_in().await.unwrap(), None);
}
