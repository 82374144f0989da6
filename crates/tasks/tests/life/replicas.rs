//! Several processes on one store, as far as the code can tell: what one gives up, another one goes on with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::TaskState;
use store::{LateWork as _, Tasks as _};
use tasks::{Settings, Writers};
use tokio::time::timeout;

use crate::CLIP;
use crate::stage::{PATIENCE, Stage, account};
use crate::upstream::{Answer, Upstream};

const SUBMIT: &str = "POST /v2/videos/generations";
const POLL: &str = "GET /v2/videos/generations/up-1";
/// Nobody waits for that.
const NEVER: Duration = Duration::from_secs(3600);

/// What makes an upstream answer that holds an answer back.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Holds back whoever passes while it is closed.
    fn pass(&self) {
        tokio::task::block_in_place(|| {
            while !self.0.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

/// One of several processes, whose leases do not run out within a story by themselves.
async fn one(url: &str, change: impl FnOnce(&mut Settings)) -> Stage {
    Stage::with(vec![account("a", url)], |settings| {
        settings.writers = Writers::Several;
        settings.lease = NEVER;
        settings.unknown_hold = PATIENCE;
        change(settings);
    })
    .await
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_poll_that_takes_long_is_gone_on_with_by_another_process() {
    let gate = Gate::default();
    let held_back = gate.clone();
    let up = Upstream::start(move |call, seen| match (call, seen) {
        (SUBMIT, _) => Answer::json(200, r#"{"task_id":"up-1"}"#),
        (POLL, 1) => {
            held_back.pass();
            Answer::Close
        }
        (POLL, _) => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let first = one(&up.url, |_| {}).await;
    let second = first.beside().await;
    let (stop, ended) = first.work_until_told();
    let task = first.accept().await;
    until("the poll", || up.seen(POLL) == 1).await;
    stop.notify_one();
    timeout(PATIENCE, ended).await.expect("it waits for no poll").unwrap();
    let _worker = second.work();
    assert_eq!(second.ended(&task.id).await.state.name(), "succeeded");
    gate.open();
    assert_eq!(up.seen(SUBMIT), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_submission_under_way_ends_and_none_is_begun() {
    let gate = Gate::default();
    let held_back = gate.clone();
    let up = Upstream::start(move |call, _seen| match call {
        SUBMIT => {
            held_back.pass();
            Answer::json(200, r#"{"task_id":"up-1"}"#)
        }
        POLL => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let first = one(&up.url, |_| {}).await;
    let (stop, ended) = first.work_until_told();
    let task = first.accept().await;
    until("the submission", || up.seen(SUBMIT) == 1).await;
    stop.notify_one();
    let late = first.accept().await;
    gate.open();
    timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    let state = async |id| first.store.load(id).await.unwrap().unwrap().state.name();
    assert_eq!((state(&task.id).await, state(&late.id).await), ("running", "queued"));
    assert_eq!(up.seen(SUBMIT), 1);
}

#[tokio::test]
async fn who_waits_here_for_a_slot_is_due_at_once_elsewhere() {
    let up = Upstream::start(|call, _seen| match call {
        SUBMIT => Answer::json(200, r#"{"task_id":"up-1"}"#),
        _ => Answer::json(200, r#"{"status":"IN_PROGRESS"}"#),
    })
    .await;
    let mut narrow = account("a", &up.url);
    narrow.concurrent_tasks = 1;
    narrow.pace = Some(domain::Pace { first: NEVER, shortest: NEVER, longest: NEVER });
    let first = Stage::with(vec![narrow], |settings| settings.writers = Writers::Several).await;
    let (stop, ended) = first.work_until_told();
    let running = first.accept().await;
    first.until(&running.id, |task| matches!(task.state, TaskState::Running { .. })).await;
    let waiting = first.accept().await;
    let waits = async {
        while first.store.next_due_in().await.unwrap() < Some(Duration::from_secs(1)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waits).await.expect("it waits for its turn");
    stop.notify_one();
    timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    let claims = first.store.claim_due("another", NEVER, 9).await.unwrap();
    let due: Vec<_> = claims.into_iter().map(|claim| claim.task.id).collect();
    assert_eq!(due, [waiting.id]);
}

/// The lease of the first process runs out while its submission is answered, as when it was stopped for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_comes_after_a_takeover_is_found_by_who_has_the_task() {
    let gate = Gate::default();
    let held_back = gate.clone();
    let up = Upstream::start(move |call, _seen| match call {
        SUBMIT => {
            held_back.pass();
            Answer::json(200, r#"{"task_id":"up-1"}"#)
        }
        POLL => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let first = one(&up.url, |settings| settings.lease = Duration::from_secs(30)).await;
    let second = first.beside().await;
    let (stop, ended) = first.work_until_told();
    let task = first.accept().await;
    until("the submission", || up.seen(SUBMIT) == 1).await;
    stop.notify_one();
    first.pass(Duration::from_secs(60));
    let _worker = second.work();
    second.until(&task.id, |task| matches!(task.state, TaskState::Unknown { .. })).await;
    gate.open();
    timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    assert_eq!(second.ended(&task.id).await.state.name(), "succeeded");
    assert_eq!(up.seen(SUBMIT), 1, "nobody submits it again");
    assert_eq!(second.counted("filmgate_resolutions_total", "callback"), 1.0);
}

#[tokio::test]
async fn a_look_at_an_ended_task_is_taken_again_at_once() {
    let up = Upstream::start(|call, _seen| match call {
        SUBMIT => Answer::json(200, r#"{"task_id":"up-1"}"#),
        _ => Answer::json(200, r#"{"status":"IN_PROGRESS"}"#),
    })
    .await;
    let mut stage = one(&up.url, |settings| settings.task_deadline = Duration::from_millis(300)).await;
    let worker = stage.work();
    let task = stage.accept().await;
    assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
    drop(worker);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}", silent.local_addr().unwrap());
    stage.accounts = vec![account("a", &elsewhere)];
    let stage = stage.restart().await;
    let watching = tokio::sync::Notify::new();
    let watcher = tasks::LateWatcher::new(Arc::clone(&stage.shared));
    let (_, connected) = tokio::join!(watcher.run(watching.notified()), async {
        let connected = timeout(PATIENCE, silent.accept()).await;
        watching.notify_one();
        connected
    });
    connected.expect("it looks").unwrap();
    assert_eq!(stage.store.next_late_in().await.unwrap(), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_drained_account_is_drained_in_all_processes_and_after_a_restart() {
    let up = crate::good().await;
    let first = one(&up.url, |_| {}).await;
    let second = first.beside().await;
    let _worker = second.work();
    let name = domain::AccountName::new("a");
    store::Operations::drain_account(first.store.as_ref(), &name).await.unwrap();
    until("the other process has read of it", || second.stands("a", "drained")).await;
    let third = first.beside().await;
    let _another_worker = third.work();
    until("a process that starts knows of it", || third.stands("a", "drained")).await;
    let task = second.accept().await;
    store::Operations::resume_account(first.store.as_ref(), &name).await.unwrap();
    until("the other processes have read of it", || {
        [&second, &third].iter().all(|stage| stage.stands("a", "ready"))
    })
    .await;
    assert_eq!(second.ended(&task.id).await.state.name(), "succeeded");
}
