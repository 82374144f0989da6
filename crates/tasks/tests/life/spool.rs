//! What an upstream said once and says to nobody again outlives a disk or a store that is away for a while. That the
//! upstream's id survives a crash of the process meanwhile is told in the stories with the real binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Account, Draft, Scope, TaskState};

use crate::CLIP;
use crate::stage::{IMAGE_MODEL, PATIENCE, Stage, account, client};
use crate::upstream::{Answer, Upstream};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const SUBMIT: &str = "POST /v1/images/generations";

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_costs_no_result_that_came_in_an_answer() {
    let body = format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, STANDARD.encode(PNG));
    let up = Upstream::start(move |_call, _seen| Answer::json(200, &body)).await;
    let account = Account { provider: "openai".into(), ..account("a", &up.url) };
    let stage = Stage::with(vec![account], |settings| settings.collect_hold = PATIENCE).await;
    // As good as a full disk: no file can be made where files of media go.
    std::fs::write(stage.assets(), b"in the way").unwrap();
    let _worker = stage.work();
    let draft = Draft {
        scope: Some(Scope::Images),
        model: Some(IMAGE_MODEL.into()),
        prompt: "a cat".into(),
        ..Draft::default()
    };
    let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
    let answered = async {
        while stage.counted("filmgate_result_copies_total", "failed") < 3.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("it is tried again");
    assert_eq!(stage.until(&task.id, |_| true).await.state.name(), "submitting", "nobody else has it");
    std::fs::remove_file(stage.assets()).unwrap();
    let ended = stage.ended(&task.id).await;
    assert!(matches!(&ended.state, TaskState::Succeeded { outputs, .. } if outputs.len() == 1), "{ended:?}");
    assert_eq!(up.seen(SUBMIT), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_that_outlives_its_lease_is_not_taken_a_second_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (polls, most_polls) = (Arc::clone(&now), Arc::clone(&most));
    let up = Upstream::start(move |call, seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-1"}"#),
        "GET /v2/videos/generations/up-1" => {
            most_polls.fetch_max(polls.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // A slow upstream: its answer comes when the lease has run out several times.
            std::thread::sleep(Duration::from_millis(600));
            polls.fetch_sub(1, Ordering::SeqCst);
            if seen == 1 { Answer::json(200, r#"{"status":"IN_PROGRESS"}"#) } else { Answer::finished() }
        }
        _ => Answer::bytes(CLIP),
    })
    .await;
    let lease = Duration::from_millis(100);
    let stage = Stage::with(vec![account("a", &up.url)], |settings| settings.lease = lease).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!(task.state.name(), "succeeded");
    assert_eq!(most.load(Ordering::SeqCst), 1, "it is asked by one step at a time");
    assert_eq!(up.seen("GET /v2/videos/generations/up-1"), 2, "and what a step learned is stored");
}
