//! Upstreams call when something has happened. That makes a poll come sooner, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Call, FailureKind, Pace, Task};
use sha2::{Digest as _, Sha256};
use tasks::HintSettings;

use crate::CLIP;
use crate::stage::{PATIENCE, Stage, Working, account};
use crate::upstream::{Answer, Upstream};

const HOUR: Duration = Duration::from_secs(3600);
const BASE: &str = "https://gateway.example/callbacks/";

/// An upstream of an API that signs its callbacks with a private key, and finishes when it is told to.
struct Signing {
    upstream: Upstream,
    key: Ed25519KeyPair,
    finished: Arc<AtomicBool>,
}

impl Signing {
    async fn start() -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        let finished = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&finished);
        let upstream = Upstream::start(move |call, _seen| match call {
            "GET /jwks" => Answer::json(200, &keys),
            call if call.starts_with("POST ") => {
                Answer::json(200, r#"{"status":"IN_QUEUE","request_id":"up-1"}"#)
            }
            call if call.contains("/status") && !done.load(Ordering::SeqCst) => {
                Answer::json(202, r#"{"status":"IN_PROGRESS"}"#)
            }
            call if call.contains("/status") => Answer::json(200, r#"{"status":"COMPLETED"}"#),
            call if call.contains("/requests/") => {
                Answer::json(200, r#"{"video":{"url":"{host}/clip.mp4"}}"#)
            }
            _ => Answer::bytes(CLIP),
        })
        .await;
        Self { upstream, key, finished }
    }

    /// A callback at this moment.
    fn call(&self, body: &str) -> Call {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
        let digest: String =
            Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = format!("up-1\nuser\n{now}\n{digest}");
        let signature = self.key.sign(signed.as_bytes());
        let signature: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut call = Call::post_json("/callbacks/x", body.as_bytes().to_vec());
        for (name, value) in [
            ("x-fal-webhook-request-id", "up-1"),
            ("x-fal-webhook-user-id", "user"),
            ("x-fal-webhook-timestamp", now.as_str()),
            ("x-fal-webhook-signature", signature.as_str()),
        ] {
            call.headers.insert(name, value.parse().unwrap());
        }
        call
    }

    /// The token that it was told with the submission.
    async fn token(&self) -> String {
        let look = async {
            loop {
                if let Some(call) = self.upstream.first("POST ") {
                    let url = percent_encoding::percent_decode_str(&call).decode_utf8().unwrap().into_owned();
                    let (_, token) = url.split_once(BASE).expect("it is told where to call");
                    return token.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the task is submitted")
    }
}

/// A stage whose account polls hourly, so that within a story only a callback brings a poll.
async fn stage(up: &Signing) -> Stage {
    let mut account = account("a", &up.upstream.url);
    account.provider = "fal".into();
    account.pace = Some(Pace { first: HOUR, shortest: HOUR, longest: HOUR });
    account.callback_keys_url = Some(format!("{}/jwks", up.upstream.url));
    Stage::with(vec![account], |settings| {
        settings.hints = Some(HintSettings { public_url: "https://gateway.example".into(), key: [7; 32] });
    })
    .await
}

/// A task that the upstream works on, and the token that it was told.
async fn running(up: &Signing) -> (Stage, Task, String, Working) {
    let stage = stage(up).await;
    let worker = stage.work();
    let task = stage.accept().await;
    let token = up.token().await;
    stage.until(&task.id, |task| task.state.name() == "running").await;
    (stage, task, token, worker)
}

/// Waits until the upstream has been asked how a task stands.
async fn polled(up: &Signing) {
    let polled = async {
        while up.upstream.first("/status").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polled).await.expect("it is asked");
}

#[tokio::test]
async fn a_signed_callback_brings_the_poll_that_ends_the_task() {
    let up = Signing::start().await;
    let (stage, task, token, _worker) = running(&up).await;
    up.finished.store(true, Ordering::SeqCst);
    stage.service.upstream_called(&token, &up.call(r#"{"status":"OK"}"#)).await.unwrap();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
    let late = stage.service.upstream_called(&token, &up.call(r#"{"status":"OK"}"#)).await;
    assert!(late.is_ok(), "one that comes too late is taken and does nothing");
}

#[tokio::test]
async fn a_callback_is_a_hint_and_polls_decide() {
    let up = Signing::start().await;
    let (stage, task, token, _worker) = running(&up).await;
    let call = up.call(r#"{"status":"OK","payload":{"video":{"url":"https://evil.example/clip.mp4"}}}"#);
    stage.service.upstream_called(&token, &call).await.unwrap();
    polled(&up).await;
    assert!(!stage.until(&task.id, |_| true).await.state.is_terminal(), "whatever the callback says");
}

#[tokio::test]
async fn a_callback_that_is_not_the_upstreams_wakes_nobody() {
    let up = Signing::start().await;
    let (stage, task, token, _worker) = running(&up).await;
    let mut altered = up.call(r#"{"status":"OK"}"#);
    altered.body = br#"{"status":"ERROR"}"#.to_vec().into();
    let unsigned = Call::post_json("/callbacks/x", b"{}".to_vec());
    for call in [altered, unsigned] {
        let refused = stage.service.upstream_called(&token, &call).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unauthorized);
    }
    let other = token.replace(&task.id.to_string()[..8], "00000000");
    for token in [other.as_str(), "", "a.1.00"] {
        let refused = stage.service.upstream_called(token, &up.call("{}")).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::NotFound, "{token}");
    }
    assert_eq!(up.upstream.first("/status"), None, "nothing was asked");
}

/// An upstream whose callbacks have no signature: it loses the answer to the submission.
async fn losing() -> Upstream {
    Upstream::start(|call, _seen| match call {
        "POST /v2/videos/generations" => Answer::Close,
        call if call.starts_with("GET /v2/videos/generations/") => Answer::finished(),
        _ => Answer::bytes(CLIP),
    })
    .await
}

/// A stage whose account loses answers and is told where to call.
async fn in_doubt(up: &Upstream, hold: Duration) -> (Stage, Task, String) {
    let stage = Stage::with(vec![account("a", &up.url)], |settings| {
        settings.unknown_hold = hold;
        settings.hints = Some(HintSettings { public_url: "https://gateway.example".into(), key: [7; 32] });
    })
    .await;
    let worker = stage.work();
    let task = stage.accept().await;
    stage.until(&task.id, |task| task.state.name() == "unknown").await;
    drop(worker);
    let sent = up.requests("POST /v2/videos/generations").remove(0);
    let (_, rest) = sent.split_once(BASE).expect("it is told where to call");
    let token = rest.split('"').next().unwrap().to_owned();
    (stage, task, token)
}

fn unsigned(body: &str) -> Call {
    Call::post_json("/callbacks/x", body.as_bytes().to_vec())
}

#[tokio::test]
async fn a_callback_brings_the_id_that_was_lost_with_the_answer() {
    let up = losing().await;
    let (stage, task, token) = in_doubt(&up, HOUR).await;
    stage
        .service
        .upstream_called(&token, &unsigned(r#"{"task_id":"up-1","status":"IN_PROGRESS"}"#))
        .await
        .unwrap();
    // It is noted before anybody looks, also by a process that comes later.
    let stage = stage.restart().await;
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
    assert_eq!(up.seen("POST /v2/videos/generations"), 1);
    assert_eq!(up.seen("GET /v2/videos/generations/up-1"), 1);
}

#[tokio::test]
async fn a_callback_without_an_id_or_with_that_of_another_task_proves_nothing() {
    let up = losing().await;
    let (stage, first, token) = in_doubt(&up, HOUR).await;
    stage.service.upstream_called(&token, &unsigned(r#"{"task_id":"up-1"}"#)).await.unwrap();
    let _worker = stage.work();
    stage.ended(&first.id).await;
    let second = stage.accept().await;
    stage.until(&second.id, |task| task.state.name() == "unknown").await;
    let sent = up.requests("POST /v2/videos/generations").remove(1);
    let (_, rest) = sent.split_once(BASE).unwrap();
    let token = rest.split('"').next().unwrap().to_owned();
    for body in [r#"{"task_id":""}"#, "{}", "up-2", "", r#"{"task_id":"up-1"}"#] {
        stage.service.upstream_called(&token, &unsigned(body)).await.unwrap();
    }
    let looked = async {
        while stage.counted("filmgate_resolutions_total", "taken") < 1.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("it is looked at");
    assert_eq!(stage.until(&second.id, |_| true).await.state.name(), "unknown");
}

#[tokio::test]
async fn a_callback_counts_once_also_across_a_restart() {
    let up = Signing::start().await;
    let (stage, task, token, worker) = running(&up).await;
    let call = up.call(r#"{"status":"OK","request_id":"up-1"}"#);
    stage.service.upstream_called(&token, &call).await.unwrap();
    polled(&up).await;
    drop(worker);
    let stage = stage.restart().await;
    let _worker = stage.work();
    stage.service.upstream_called(&token, &call).await.unwrap();
    assert_eq!(stage.counted("filmgate_upstream_callbacks_total", "ignored"), 1.0);
    let other = up.call(r#"{"status":"OK","request_id":"up-9"}"#);
    stage.service.upstream_called(&token, &other).await.unwrap();
    assert_eq!(stage.counted("filmgate_upstream_callbacks_total", "ignored"), 2.0, "it is of another task");
    assert_eq!(stage.counted("filmgate_upstream_callbacks_total", "woken"), 0.0);
    assert_eq!(stage.until(&task.id, |_| true).await.state.name(), "running");
}
