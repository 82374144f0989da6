//! The life of a task with a real store, a real worker, and upstreams over sockets that say what each story needs.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod ambiguous;
mod callbacks;
mod daily;
mod endings;
mod follow;
mod hints;
mod idempotency;
mod localize;
mod operator;
mod queueing;
mod replicas;
mod resolve;
mod routing;
mod spool;
mod stage;
mod upstream;
mod wishes;

use std::time::Duration;

use domain::{AttemptOutcome, FailureKind, OutputMedia, TaskState};
use stage::{Stage, account, client, draft};
use upstream::{Answer, Upstream};

const CLIP: &[u8] = b"\0\0\0\x18ftypisom and so on";

/// An upstream that accepts, finishes at the second poll, and serves the clip.
async fn good() -> Upstream {
    Upstream::start(|call, seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-1"}"#),
        "GET /v2/videos/generations/up-1" if seen < 2 => {
            Answer::json(200, r#"{"status":"IN_PROGRESS","progress":"50%"}"#)
        }
        "GET /v2/videos/generations/up-1" => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await
}

/// An upstream that gives every call the same answer.
async fn always(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |_call, _seen| answer()).await
}

#[tokio::test]
async fn a_task_is_submitted_once_polled_and_its_result_is_ours() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    let task = stage.accept().await;
    let task = stage.ended(&task.id).await;
    let TaskState::Succeeded { outputs, .. } = &task.state else { panic!("{:?}", task.state) };
    let OutputMedia::Stored { asset, media_type, bytes } = &outputs[0].media else { panic!("{outputs:?}") };
    assert_eq!((media_type.as_str(), *bytes), ("video/mp4", CLIP.len() as u64));
    let file = stage.service.open_asset(asset).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), CLIP);
    assert_eq!(up.seen("POST /v2/videos/generations"), 1);
}

#[tokio::test]
async fn another_client_and_another_scope_do_not_see_the_task() {
    let stage = Stage::new(vec![account("a", "http://127.0.0.1:1")]).await;
    let task = stage.accept().await;
    let stranger = stage.service.get(&client("stranger"), &task.id, None).await.unwrap_err();
    assert_eq!(stranger.kind, FailureKind::NotFound);
    let images =
        stage.service.get(&client("owner"), &task.id, Some(domain::Scope::Images)).await.unwrap_err();
    assert_eq!(images.kind, FailureKind::NotFound);
    assert!(stage.service.get(&client("owner"), &task.id, Some(domain::Scope::Videos)).await.is_ok());
}

#[tokio::test]
async fn a_refused_credential_and_an_unreachable_host_lead_to_the_next_account() {
    let refusing = always(|| Answer::json(401, r#"{"error":{"message":"bad key"}}"#)).await;
    let up = good().await;
    let accounts = [
        account("unreachable", "http://127.0.0.1:1"),
        account("refusing", &refusing.url),
        account("a", &up.url),
    ];
    let stage = Stage::new(accounts.to_vec()).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!(task.state.name(), "succeeded");
    assert!(matches!(task.attempts[0].outcome, AttemptOutcome::NotSent { .. }));
    assert!(matches!(task.attempts[1].outcome, AttemptOutcome::Rejected { .. }));
    assert!(matches!(task.attempts[2].outcome, AttemptOutcome::Accepted { .. }));
}

#[tokio::test]
async fn a_doubtful_answer_is_held_and_never_leads_to_another_submission() {
    let answers: [fn() -> Answer; 4] = [
        || Answer::json(500, "{}"),
        || Answer::json(200, r#"{"hello":"world"}"#),
        || Answer::bytes(b"<html>"),
        || Answer::Close,
    ];
    for answer in answers {
        let doubtful = always(answer).await;
        let other = good().await;
        let stage = Stage::new(vec![account("doubtful", &doubtful.url), account("other", &other.url)]).await;
        let _worker = stage.work();
        let accepted = stage.accept().await;
        let held = stage.until(&accepted.id, |task| task.state.name() == "unknown").await;
        assert!(matches!(
            held.attempts[..],
            [domain::Attempt { outcome: AttemptOutcome::Unknown { .. }, .. }]
        ));
        let ended = stage.ended(&accepted.id).await;
        assert!(
            matches!(&ended.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown)
        );
        assert_eq!(doubtful.seen("POST /v2/videos/generations"), 1);
        assert_eq!(other.seen("POST /v2/videos/generations"), 0);
    }
}

#[tokio::test]
async fn a_definite_refusal_fails_the_task_with_what_the_client_may_know() {
    let up = always(|| {
        Answer::json(400, r#"{"code":"bad","message":"prompt refused by 10.1.2.3 http://inside/x"}"#)
    })
    .await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    let TaskState::Failed { failure, .. } = &task.state else { panic!("{:?}", task.state) };
    assert!(!failure.public.contains("inside") && !failure.public.contains("http"), "{}", failure.public);
}

#[tokio::test]
async fn an_intent_found_after_a_crash_becomes_unknown_without_any_call() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    stage.intend_and_die(&task.id).await;
    let _worker = stage.work();
    let task = stage.until(&task.id, |task| task.state.name() == "unknown").await;
    assert!(matches!(task.attempts[0].outcome, AttemptOutcome::Unknown { .. }));
    assert_eq!(up.calls(), 0);
}

#[tokio::test]
async fn faulty_polls_cost_time_and_nothing_else() {
    let up = Upstream::start(|call, seen| match (call, seen) {
        ("POST /v2/videos/generations", _) => Answer::json(200, r#"{"task_id":"up-1"}"#),
        ("GET /v2/videos/generations/up-1", 1) => Answer::json(500, "{}"),
        ("GET /v2/videos/generations/up-1", 2) => Answer::json(404, r#"{"message":"no such task"}"#),
        ("GET /v2/videos/generations/up-1", 3) => Answer::Close,
        ("GET /v2/videos/generations/up-1", 4) => Answer::bytes(b"garbage"),
        ("GET /v2/videos/generations/up-1", 5) => Answer::json(200, r#"{"status":"PERHAPS"}"#),
        ("GET /v2/videos/generations/up-1", _) => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&stage.accept().await.id).await.state.name(), "succeeded");
    assert_eq!(up.seen("POST /v2/videos/generations"), 1);
}

#[tokio::test]
async fn a_result_that_is_no_clip_is_asked_for_again() {
    let up = Upstream::start(|call, seen| match (call, seen) {
        ("POST /v2/videos/generations", _) => Answer::json(200, r#"{"task_id":"up-1"}"#),
        ("GET /v2/videos/generations/up-1", _) => Answer::finished(),
        (_, 1) => Answer::html("the link has expired"),
        (_, 2) => Answer::json(404, "{}"),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    let TaskState::Succeeded { outputs, .. } = &task.state else { panic!("{:?}", task.state) };
    assert!(matches!(&outputs[0].media, OutputMedia::Stored { bytes, .. } if *bytes == CLIP.len() as u64));
    assert!(up.seen("GET /v2/videos/generations/up-1") >= 3, "each copy begins with fresh URLs");
}

#[tokio::test]
async fn a_result_that_cannot_be_copied_is_given_out_as_it_is() {
    let up = Upstream::start(|call, _seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-1"}"#),
        "GET /v2/videos/generations/up-1" => Answer::finished(),
        _ => Answer::json(403, "{}"),
    })
    .await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    let TaskState::Succeeded { outputs, .. } = &task.state else { panic!("{:?}", task.state) };
    assert_eq!(outputs[0].url("http://gateway"), format!("{}/clip.mp4", up.url));
}

#[tokio::test]
async fn a_task_past_its_deadline_expires_whether_queued_or_running() {
    let never = Upstream::start(|call, _seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-1"}"#),
        _ => Answer::json(200, r#"{"status":"IN_PROGRESS"}"#),
    })
    .await;
    let mut one_at_a_time = account("a", &never.url);
    one_at_a_time.concurrent_tasks = 1;
    // The end of the first does not let the second go in its last moments.
    one_at_a_time.requests_per_minute = 1;
    let stage =
        Stage::with(vec![one_at_a_time], |settings| settings.task_deadline = Duration::from_secs(1)).await;
    let _worker = stage.work();
    let (running, queued) = (stage.accept().await, stage.accept().await);
    for task in [running, queued] {
        assert_eq!(stage.ended(&task.id).await.state.name(), "expired");
    }
    assert_eq!(never.seen("POST /v2/videos/generations"), 1);
}

#[tokio::test]
async fn a_full_account_paces_tasks_and_counts_what_was_running_before_a_restart() {
    let up = Upstream::start(|call, _seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-2"}"#),
        "GET /v2/videos/generations/up-1" | "GET /v2/videos/generations/up-2" => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let mut one_at_a_time = account("a", &up.url);
    one_at_a_time.concurrent_tasks = 1;
    let stage = Stage::new(vec![one_at_a_time]).await;
    let task = stage.accept().await;
    stage.run_and_die(&task.id, "up-1").await;
    let stage = stage.restart().await;
    let second = stage.accept().await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
    assert_eq!(stage.ended(&second.id).await.state.name(), "succeeded");
    let first_poll = up.position("GET /v2/videos/generations/up-1").unwrap();
    let submit = up.position("POST /v2/videos/generations").unwrap();
    assert!(first_poll < submit, "the second task had to wait for the slot of the first");
}

#[tokio::test]
async fn too_many_tasks_are_refused_and_an_end_makes_room() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let mut client = client("owner");
    client.limits.concurrent_tasks = 1;
    let first = stage.service.create(&client, "v2", draft(), None).await.unwrap().task;
    let refused = stage.service.create(&client, "v2", draft(), None).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::TooManyTasks);
    assert!(refused.retry_after.is_some());
    let _worker = stage.work();
    stage.ended(&first.id).await;
    assert!(stage.service.create(&client, "v2", draft(), None).await.is_ok());
}

#[tokio::test]
async fn an_account_that_stays_away_is_given_up_after_the_allowed_attempts() {
    let accounts = vec![account("a", "http://127.0.0.1:1")];
    let stage = Stage::with(accounts, |settings| settings.attempts_max = 2).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert!(matches!(&task.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::NoRoute));
    assert_eq!(task.attempts.len(), 2);
}
