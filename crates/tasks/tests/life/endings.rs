//! Deadlines, what comes after them, tasks that crash whoever works on them, and what is deleted in the end.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use domain::{AccountName, AttemptOutcome, FailureKind, OutputMedia, TaskState};
use store::{Callbacks, Heard, LateWork, Tasks};

use crate::stage::{PATIENCE, Stage, account, client};
use crate::upstream::{Answer, Upstream};
use crate::{CLIP, good};

const POLL: &str = "GET /v1/predictions/up-1";
const STOP: &str = "POST /v1/predictions/up-1/cancel";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn said(status: &str) -> Answer {
    Answer::json(200, &format!(r#"{{"id":"up-1","status":"{status}","output":["{{host}}/clip.mp4"]}}"#))
}

/// A running task of an upstream that can be asked to stop, whose deadline has passed.
async fn overdue(
    answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
) -> (Upstream, Stage, domain::Task) {
    let up = Upstream::start(answer).await;
    let mut account = account("a", &up.url);
    account.provider = "replicate".into();
    let stage = Stage::with(vec![account], |settings| settings.task_deadline = Duration::ZERO).await;
    let task = stage.accept().await;
    stage.run_and_die(&task.id, "up-1").await;
    (up, stage, task)
}

/// Looks until there is something.
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes")
}

#[tokio::test]
async fn at_its_deadline_a_running_task_expires_and_its_upstream_is_asked_to_stop() {
    let (up, stage, task) = overdue(|_call, _seen| said("processing")).await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
    assert_eq!((up.seen(STOP), up.seen(POLL)), (1, 1));
    assert!(up.position(STOP) < up.position(POLL), "the last word is asked for after that");
    assert_eq!(stage.store.live_holdings().await.unwrap(), []);
}

#[tokio::test]
async fn a_success_at_the_deadline_is_a_success() {
    let (_up, stage, task) = overdue(|call, _seen| match call {
        STOP | POLL => said("succeeded"),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
}

#[tokio::test]
async fn what_has_definitely_failed_at_the_deadline_is_not_watched() {
    let (up, stage, task) = overdue(|_call, _seen| said("canceled")).await;
    let _worker = stage.work();
    let ended = stage.ended(&task.id).await;
    assert_eq!(ended.state.name(), "expired");
    assert!(matches!(ended.attempts[0].outcome, AttemptOutcome::Failed { .. }));
    assert_eq!(up.seen("POST /v1/predictions"), 0, "there is no other attempt");
    assert_eq!(stage.store.next_late_in().await.unwrap(), None);
}

#[tokio::test]
async fn what_comes_after_the_deadline_is_kept_and_the_end_stays() {
    let (_up, stage, task) = overdue(|call, seen| match (call, seen) {
        (STOP, _) | (POLL, ..4) => said("processing"),
        (POLL, _) => said("succeeded"),
        (_, 1) => Answer::Close,
        _ => Answer::bytes(CLIP),
    })
    .await;
    let (_worker, _watcher) = (stage.work(), stage.watch());
    let ended = stage.ended(&task.id).await;
    assert_eq!(ended.state.name(), "expired");
    let late = eventually(async || stage.store.late_results(10).await.unwrap().pop()).await;
    assert_eq!((&late.task, late.account.as_str()), (&task.id, "a"));
    let OutputMedia::Stored { asset, .. } = &late.outputs[0].media else { panic!("{late:?}") };
    let file = stage.service.open_asset(asset).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), CLIP);
    assert_eq!(stage.service.get(&client("owner"), &task.id, None).await.unwrap(), ended);
    assert_eq!(stage.store.next_late_in().await.unwrap(), None, "nobody looks any more");
}

#[tokio::test]
async fn of_a_lost_submission_a_callback_tells_whom_to_ask_after_the_end() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    stage.intend_and_die(&task.id).await;
    let (_worker, _watcher) = (stage.work(), stage.watch());
    let ended = stage.ended(&task.id).await;
    assert!(
        matches!(&ended.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown)
    );
    assert_eq!(up.calls(), 0, "there is nothing to ask for yet");
    let heard = Heard {
        account: AccountName::new("a"),
        digest: [1; 32],
        attempt: (task.id.clone(), 1),
        handle: Some("up-1".into()),
    };
    assert!(stage.store.hear(&heard).await.unwrap());
    let late = eventually(async || stage.store.late_results(10).await.unwrap().pop()).await;
    assert_eq!(late.task, task.id);
    assert_eq!(stage.service.get(&client("owner"), &task.id, None).await.unwrap(), ended);
}

#[tokio::test]
async fn what_is_another_tasks_is_nobodys_late_result() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let owner = stage.accept().await;
    stage.run_and_die(&owner.id, "up-1").await;
    let worker = stage.work();
    stage.ended(&owner.id).await;
    drop(worker);
    let lost = stage.accept().await;
    stage.intend_and_die(&lost.id).await;
    let heard = Heard {
        account: AccountName::new("a"),
        digest: [1; 32],
        attempt: (lost.id.clone(), 1),
        handle: Some("up-1".into()),
    };
    assert!(stage.store.hear(&heard).await.unwrap());
    let stage = stage.watching_for(Duration::from_millis(200)).await;
    let (_worker, _watcher) = (stage.work(), stage.watch());
    assert_eq!(stage.ended(&lost.id).await.state.name(), "failed");
    eventually(async || stage.store.next_late_in().await.unwrap().is_none().then_some(())).await;
    assert_eq!(stage.store.late_results(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_late_result_that_cannot_be_copied_in_time_is_given_as_it_is() {
    let (up, stage, task) = overdue(|call, seen| match (call, seen) {
        (STOP, _) | (POLL, 1) => said("processing"),
        (POLL, _) => said("succeeded"),
        _ => Answer::json(403, "{}"),
    })
    .await;
    let stage = stage.watching_for(Duration::from_millis(200)).await;
    let (_worker, _watcher) = (stage.work(), stage.watch());
    assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
    let late = eventually(async || stage.store.late_results(10).await.unwrap().pop()).await;
    assert_eq!(late.outputs[0].url("http://gateway"), format!("{}/clip.mp4", up.url));
}

#[tokio::test]
async fn a_watch_without_a_definite_word_comes_to_its_end() {
    let (up, stage, task) = overdue(|_call, _seen| said("processing")).await;
    let stage = stage.watching_for(Duration::from_millis(200)).await;
    let (_worker, _watcher) = (stage.work(), stage.watch());
    assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
    eventually(async || stage.store.next_late_in().await.unwrap().is_none().then_some(())).await;
    assert!(up.seen(POLL) > 1);
    assert_eq!(stage.store.late_results(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_task_that_crashes_its_workers_is_left_alone_until_it_is_pardoned() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let poison = stage.accept().await;
    stage.crash(&poison.id, 3).await;
    let _worker = stage.work();
    let neighbour = stage.accept().await;
    assert_eq!(stage.ended(&neighbour.id).await.state.name(), "succeeded");
    assert_eq!(up.seen("POST /v2/videos/generations"), 1, "no step was taken with the other");
    let listed = stage.store.crashing(3, 10).await.unwrap();
    assert_eq!((listed.len(), &listed[0].task), (1, &poison.id));
    let seen = stage.service.get(&client("owner"), &poison.id, None).await.unwrap();
    assert!(!seen.state.is_terminal());

    assert!(stage.store.pardon(&poison.id).await.unwrap());
    eventually(async || (up.seen("POST /v2/videos/generations") == 2).then_some(())).await;
    eventually(async || stage.store.crashing(1, 10).await.unwrap().is_empty().then_some(())).await;
}

#[tokio::test]
async fn one_crash_fewer_does_not_stop_a_task_and_its_end_clears_it() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    stage.crash(&task.id, 2).await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
}

#[tokio::test]
async fn in_quarantine_a_task_ends_at_its_deadline_without_its_upstream() {
    for is_running in [false, true] {
        let up = good().await;
        let accounts = vec![account("a", &up.url)];
        let short = |settings: &mut tasks::Settings| settings.task_deadline = Duration::from_millis(300);
        let stage = Stage::with(accounts, short).await;
        let task = stage.accept().await;
        if is_running {
            stage.run_and_die(&task.id, "up-1").await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stage.crash(&task.id, 3).await;
        let _worker = stage.work();
        assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
        assert_eq!(up.calls(), 0);
        assert_eq!(stage.store.next_late_in().await.unwrap(), None, "nobody watches it");
        assert_eq!(stage.store.live_tasks().await.unwrap(), []);
    }
}

/// The files of assets, finished or not.
fn files(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn put(path: &Path, age: Duration) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[tokio::test]
async fn what_is_past_its_time_goes_with_its_files_and_a_poll_finds_nothing() {
    let up = good().await;
    let at_once = |settings: &mut tasks::Settings| {
        settings.retention.tasks = Duration::ZERO;
        settings.retention.results = Duration::ZERO;
    };
    let stage = Stage::with(vec![account("a", &up.url)], at_once).await;
    let worker = stage.work();
    let ended = stage.accept().await;
    let finished = stage.ended(&ended.id).await;
    let TaskState::Succeeded { .. } = &finished.state else { panic!("{:?}", finished.state) };
    drop(worker);
    let live = stage.accept().await;
    assert_eq!(files(&stage.assets()).len(), 1);
    let _sweeper = stage.sweep();
    eventually(async || files(&stage.assets()).is_empty().then_some(())).await;
    eventually(async || stage.store.load(&ended.id).await.unwrap().is_none().then_some(())).await;
    let gone = stage.service.get(&client("owner"), &ended.id, None).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::NotFound);
    assert!(stage.service.get(&client("owner"), &live.id, None).await.is_ok());
}

#[tokio::test]
async fn files_that_nobody_knows_go_when_they_are_old_and_no_others() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let worker = stage.work();
    stage.ended(&stage.accept().await.id).await;
    drop(worker);
    let known = files(&stage.assets()).pop().unwrap();
    std::fs::File::options()
        .write(true)
        .open(&known)
        .unwrap()
        .set_modified(SystemTime::now() - 3 * DAY)
        .unwrap();
    let name = |digit: &str| digit.repeat(32);
    let folder = stage.assets().join("aa").join("aa");
    let (orphan, unfinished) = (folder.join(name("a")), folder.join(format!("{}.part", name("b"))));
    let (young, foreign) = (folder.join(name("c")), folder.join("README"));
    for (path, age) in [(&orphan, 2 * DAY), (&unfinished, 2 * DAY), (&young, DAY / 2), (&foreign, 9 * DAY)] {
        put(path, age);
    }
    let _sweeper = stage.sweep();
    eventually(async || (!orphan.exists() && !unfinished.exists()).then_some(())).await;
    assert!(known.exists() && young.exists() && foreign.exists());
}
