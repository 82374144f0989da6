//! The answer to a submission was lost. What became of it is looked for, never made again by itself, and told by a
//! definite word alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Account, AttemptOutcome, FailureKind, OnUnknown, Task, TaskState};

use crate::CLIP;
use crate::stage::{Stage, account};
use crate::upstream::{Answer, Upstream};

const LONG: Duration = Duration::from_secs(600);
const SUBMIT: &str = "POST /v1/videos/generations";
const KLING: &str = "POST /v1/videos/text2video";

fn of(provider: &str, name: &str, up: &Upstream) -> Account {
    Account { provider: provider.into(), ..account(name, &up.url) }
}

/// An APIMart, which knows keys: its answers to the submissions, the first of which is the lost one.
async fn keyed(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |call, seen| match call {
        SUBMIT => answer(seen),
        call if call.starts_with("GET /v1/tasks/") => {
            let body = r#"{"code":200,"data":{"status":"completed","result":{"videos":[{"url":["{host}/clip.mp4"]}]}}}"#;
            Answer::json(200, body)
        }
        _ => Answer::bytes(CLIP),
    })
    .await
}

fn taken() -> Answer {
    Answer::json(200, r#"{"code":200,"data":[{"status":"submitted","task_id":"up-1"}]}"#)
}

fn is_held_to_the_end(task: &Task) -> bool {
    matches!(&task.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown)
        && matches!(task.attempts[..], [domain::Attempt { outcome: AttemptOutcome::Unknown { .. }, .. }])
}

#[tokio::test]
async fn a_repetition_with_the_same_key_brings_the_answer_again() {
    let up = keyed(|seen| if seen == 1 { Answer::Close } else { taken() }).await;
    let stage = Stage::with(vec![of("apimart", "a", &up)], |settings| settings.unknown_hold = LONG).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!(task.state.name(), "succeeded");
    assert!(matches!(task.attempts[..], [domain::Attempt { outcome: AttemptOutcome::Accepted { .. }, .. }]));
    let sent = up.requests(SUBMIT);
    assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
    let key = |sent: &str| sent.lines().find(|line| line.starts_with("idempotency-key: ")).map(str::to_owned);
    assert_eq!(key(&sent[0]), Some(format!("idempotency-key: {}.1", task.id)));
}

#[tokio::test]
async fn a_refusal_that_may_be_because_of_the_first_submission_refuses_nothing() {
    let other = keyed(|_seen| taken()).await;
    let up = keyed(|seen| match seen {
        1 => Answer::Close,
        2 => Answer::json(402, r#"{"error":{"code":402,"message":"no credits left"}}"#),
        3 => Answer::json(429, r#"{"error":{"message":"too many"}}"#),
        4 => Answer::json(401, r#"{"error":{"message":"bad key"}}"#),
        5 => Answer::json(404, r#"{"error":{"message":"no such model"}}"#),
        6 => Answer::json(409, r#"{"error":{"message":"the request is in progress"}}"#),
        7 => Answer::json(503, "{}"),
        8 => Answer::bytes(b"<html>"),
        _ => taken(),
    })
    .await;
    let accounts = vec![of("apimart", "a", &up), of("apimart", "other", &other)];
    let stage = Stage::with(accounts, |settings| settings.unknown_hold = LONG).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!((task.state.name(), task.attempts.len()), ("succeeded", 1));
    assert_eq!((up.seen(SUBMIT), other.calls()), (9, 0));
}

#[tokio::test]
async fn what_is_always_said_of_these_bytes_was_said_the_first_time_too() {
    let up = keyed(|seen| match seen {
        1 => Answer::Close,
        _ => Answer::json(400, r#"{"error":{"code":400,"message":"duration must be 8"}}"#),
    })
    .await;
    let stage = Stage::with(vec![of("apimart", "a", &up)], |settings| settings.unknown_hold = LONG).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert!(
        matches!(&task.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::UpstreamRejected)
    );
    assert!(matches!(task.attempts[..], [domain::Attempt { outcome: AttemptOutcome::Failed { .. }, .. }]));
}

#[tokio::test]
async fn a_key_that_the_upstream_may_have_forgotten_is_not_used_again() {
    let up = keyed(|_seen| taken()).await;
    let stage = Stage::new(vec![of("apimart", "a", &up)]).await;
    let task = stage.accept().await;
    // It was intended in 1970.
    stage.intend_and_die(&task.id).await;
    let _worker = stage.work();
    assert!(is_held_to_the_end(&*stage.ended(&task.id).await));
    assert_eq!(up.calls(), 0);
}

/// A Kling, which can be asked by our own name: it loses the answer to the first submission, and says `word` of it.
async fn named(word: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Upstream {
    let looks = AtomicUsize::new(0);
    Upstream::start(move |call, seen| match call {
        KLING if seen == 1 => Answer::json(504, "{}"),
        KLING => Answer::json(200, r#"{"code":0,"data":{"task_id":"up-2","task_status":"submitted"}}"#),
        call if call.ends_with(".1") => word(looks.fetch_add(1, Ordering::SeqCst) + 1),
        call if call.starts_with("GET /v1/videos/") => {
            let videos = r#"{"videos":[{"id":"v","url":"{host}/clip.mp4","duration":"5"}]}"#;
            let task = format!(r#"{{"task_id":"x","task_status":"succeed","task_result":{videos}}}"#);
            Answer::json(200, &format!(r#"{{"code":0,"data":{task}}}"#))
        }
        _ => Answer::bytes(CLIP),
    })
    .await
}

fn unheard_of() -> Answer {
    Answer::json(404, r#"{"code":1203,"message":"the requested resource does not exist"}"#)
}

#[tokio::test]
async fn a_submission_is_found_by_our_name_for_it() {
    let up = named(|_look| {
        Answer::json(200, r#"{"code":0,"data":{"task_id":"up-1","task_status":"processing"}}"#)
    })
    .await;
    let stage = Stage::with(vec![of("kling", "a", &up)], |settings| settings.unknown_hold = LONG).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!((task.state.name(), task.attempts.len(), up.seen(KLING)), ("succeeded", 1, 1));
    assert!(matches!(&task.attempts[0].outcome, AttemptOutcome::Accepted { handle, .. } if handle == "up-1"));
}

#[tokio::test]
async fn a_submission_that_is_absent_often_enough_in_a_row_was_not_taken() {
    let up = named(|look| if look == 3 { Answer::json(500, "{}") } else { unheard_of() }).await;
    let stage = Stage::with(vec![of("kling", "a", &up)], |settings| settings.unknown_hold = LONG).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    assert_eq!((task.state.name(), task.attempts.len(), up.seen(KLING)), ("succeeded", 2, 2));
    assert!(matches!(task.attempts[0].outcome, AttemptOutcome::Failed { .. }));
    let looks = up.seen(&format!("GET /v1/videos/text2video/{}.1", task.id));
    assert_eq!(looks, 6, "two, one that showed nothing, and then three in a row");
}

#[tokio::test]
async fn a_submission_that_is_absent_too_soon_may_still_turn_up() {
    let up = named(|_look| unheard_of()).await;
    let stage = Stage::with(vec![of("kling", "a", &up)], |settings| settings.absent_after = LONG).await;
    let _worker = stage.work();
    assert!(is_held_to_the_end(&*stage.ended(&stage.accept().await.id).await));
    assert_eq!(up.seen(KLING), 1);
}

/// This moment, as lists write it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, second) = (since / 86_400, since % 86_400);
    // The day's place in a calendar that begins in March of the year 0, whose years end with the leap day.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, is_next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + is_next_year;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A Luma, which has a list: it takes the first submission, loses the answer to the second, and lists `others` besides.
async fn listing(others: &'static [&'static str]) -> Upstream {
    Upstream::start(move |call, seen| match call {
        call if call.starts_with("POST /") && seen == 1 => {
            Answer::json(200, r#"{"id":"up-1","state":"queued"}"#)
        }
        call if call.starts_with("POST /") => Answer::Close,
        call if call.contains("limit=100") => {
            let now = now();
            let entry = |id: &&str| {
                format!(
                    r#"{{"id":"{id}","generation_type":"video","state":"dreaming","model":"veo3.1",
                        "created_at":"{now}","request":{{"prompt":"a cat"}}}}"#
                )
            };
            let all: Vec<String> = ["up-1"].iter().chain(others).map(entry).collect();
            Answer::json(200, &format!(r#"{{"has_more":false,"generations":[{}]}}"#, all.join(",")))
        }
        call if call.starts_with("GET /dream-machine/") => {
            Answer::json(200, r#"{"id":"x","state":"completed","assets":{"video":"{host}/clip.mp4"}}"#)
        }
        _ => Answer::bytes(CLIP),
    })
    .await
}

/// The first task, which the upstream has taken, and then the second, when it is no longer held.
async fn two(up: &Upstream) -> (Stage, Arc<Task>) {
    let stage = Stage::new(vec![of("luma", "a", up)]).await;
    let worker = stage.work();
    stage.ended(&stage.accept().await.id).await;
    let second = stage.ended(&stage.accept().await.id).await;
    drop(worker);
    (stage, second)
}

#[tokio::test]
async fn the_one_task_of_a_list_that_no_other_attempt_has_is_ours() {
    let up = listing(&["up-2"]).await;
    let (_stage, second) = two(&up).await;
    assert_eq!(second.state.name(), "succeeded", "{second:?}");
    assert!(
        matches!(&second.attempts[0].outcome, AttemptOutcome::Accepted { handle, .. } if handle == "up-2")
    );
}

#[tokio::test]
async fn two_tasks_that_may_be_ours_and_none_leave_it_in_doubt() {
    for others in [&["up-2", "up-3"][..], &[]] {
        let up = listing(others).await;
        let (_stage, second) = two(&up).await;
        assert!(is_held_to_the_end(&second), "{others:?}: {second:?}");
    }
}

#[tokio::test]
async fn an_id_that_another_attempt_has_is_no_answer() {
    let up = Upstream::start(|call, _seen| match call {
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-1"}"#),
        "GET /v2/videos/generations/up-1" => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let _worker = stage.work();
    let first = stage.ended(&stage.accept().await.id).await;
    assert_eq!(first.state.name(), "succeeded");
    let second = stage.accept().await;
    let held = stage.until(&second.id, |task| task.state.name() == "unknown").await;
    let AttemptOutcome::Unknown { reason } = &held.attempts[0].outcome else { panic!("{held:?}") };
    assert!(reason.contains("another attempt"), "{reason}");
    assert!(is_held_to_the_end(&*stage.ended(&second.id).await));
    assert_eq!(up.seen("POST /v2/videos/generations"), 2, "once each");
}

/// How a task ends whose first submission is lost for good, where the operator wants `policy`.
async fn ended_by(policy: OnUnknown, change: impl FnOnce(&mut tasks::Settings)) -> (Arc<Task>, usize) {
    let up = Upstream::start(|call, seen| match call {
        "POST /v2/videos/generations" if seen == 1 => Answer::Close,
        "POST /v2/videos/generations" => Answer::json(200, r#"{"task_id":"up-2"}"#),
        "GET /v2/videos/generations/up-2" => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await;
    let account = Account { on_unknown: policy, ..account("a", &up.url) };
    let stage = Stage::with(vec![account], change).await;
    let _worker = stage.work();
    let task = stage.ended(&stage.accept().await.id).await;
    (task, up.seen("POST /v2/videos/generations"))
}

#[tokio::test]
async fn only_an_operator_who_wants_it_has_a_lost_submission_made_again() {
    for policy in [OnUnknown::Hold, OnUnknown::Release] {
        let (task, submissions) = ended_by(policy, |_settings| {}).await;
        assert!(is_held_to_the_end(&task), "{policy:?}");
        assert_eq!(submissions, 1, "{policy:?}");
    }
    let (task, submissions) = ended_by(OnUnknown::Resubmit, |_settings| {}).await;
    assert_eq!((task.state.name(), submissions), ("succeeded", 2));
    let AttemptOutcome::Abandoned { reason } = &task.attempts[0].outcome else { panic!("{task:?}") };
    assert!(reason.contains("the upstream may have taken it"), "{reason}");
}

#[tokio::test]
async fn no_policy_submits_more_often_than_allowed_or_after_the_deadline() {
    let (task, submissions) = ended_by(OnUnknown::Resubmit, |settings| settings.attempts_max = 1).await;
    assert!(is_held_to_the_end(&task) && submissions == 1, "{task:?}");
    let short = Duration::from_millis(250);
    let (task, submissions) = ended_by(OnUnknown::Resubmit, |settings| settings.task_deadline = short).await;
    assert!(is_held_to_the_end(&task) && submissions == 1, "{task:?}");
}
