//! Inputs reach each upstream in the form that it reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Draft, DraftInput, DraftMedia, FailureKind, TaskState};
use tokio::net::TcpListener;

use crate::stage::{Stage, account, client, draft};
use crate::upstream::{Answer, Upstream};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn with_image(media: DraftMedia) -> Draft {
    let input = DraftInput { role: None, field: "images[0]".into(), media };
    Draft { inputs: vec![input], ..draft() }
}

/// A stage with one account of that provider.
async fn stage(provider: &str, up: &Upstream, files_url: Option<String>) -> Stage {
    let mut account = account("a", &up.url);
    account.provider = provider.into();
    account.files_url = files_url;
    Stage::new(vec![account]).await
}

/// An upstream that takes whatever comes, keeps files, and serves one image.
async fn upstream() -> Upstream {
    Upstream::start(|call, _seen| match call {
        "GET /frame.png" => Answer::bytes(PNG),
        "GET /page.html" => Answer::html("<p>no image</p>"),
        call if call.contains("/files/upload") => {
            Answer::json(200, r#"{"success":true,"data":{"file_url":"https://files.example/kept.png"}}"#)
        }
        call if call.contains(":predictLongRunning") => {
            Answer::json(200, r#"{"name":"models/m/operations/up-1"}"#)
        }
        _ => Answer::json(200, r#"{"id":"up-1","status":"pending"}"#),
    })
    .await
}

#[tokio::test]
async fn a_url_becomes_bytes_for_an_upstream_that_does_not_fetch() {
    let up = upstream().await;
    let stage = stage("gemini", &up, None).await;
    let _worker = stage.work();
    let draft = with_image(DraftMedia::Url(format!("{}/frame.png", up.url)));
    let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
    stage.until(&task.id, |task| task.state.name() == "running").await;
    assert_eq!(up.seen("GET /frame.png"), 1);
    assert!(up.was_sent(&STANDARD.encode(PNG)), "the image is in the call");
}

#[tokio::test]
async fn an_image_in_a_request_is_published_or_brought_to_the_providers_own_store() {
    for (files, shown) in [(false, "http://gateway/assets/"), (true, "https://files.example/kept.png")] {
        let up = upstream().await;
        let stage = stage("evolink", &up, files.then(|| up.url.clone())).await;
        let _worker = stage.work();
        let draft = with_image(DraftMedia::Inline(PNG.into()));
        let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
        stage.until(&task.id, |task| task.state.name() == "running").await;
        assert!(up.was_sent(shown), "{shown}");
        assert_eq!(up.first("/files/upload").is_some(), files);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_had_fails_its_task_before_anything_is_submitted() {
    for file in ["page.html", "missing.png"] {
        let up = upstream().await;
        let stage = stage("gemini", &up, None).await;
        let _worker = stage.work();
        let draft = with_image(DraftMedia::Url(format!("{}/{file}", up.url)));
        let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
        let ended = stage.ended(&task.id).await;
        let TaskState::Failed { failure, .. } = &ended.state else { panic!("{:?}", ended.state) };
        assert_eq!(
            (failure.kind, failure.field.as_deref()),
            (FailureKind::InvalidRequest, Some("inputs[0]"))
        );
        assert!(ended.attempts.is_empty() && up.first("predict").is_none(), "{file}");
    }
}

#[tokio::test]
async fn an_image_that_never_comes_is_given_up_within_the_claim_on_its_task() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/frame.png", silent.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _peer)) = silent.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    let up = upstream().await;
    let mut account = account("a", &up.url);
    account.provider = "gemini".into();
    let stage = Stage::with(vec![account], |settings| {
        settings.lease = Duration::from_millis(800);
        settings.input_timeout = Duration::from_secs(60);
    })
    .await;
    let _worker = stage.work();
    let draft = with_image(DraftMedia::Url(url));
    let task = stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task;
    let ended = stage.ended(&task.id).await;
    let TaskState::Failed { failure, .. } = &ended.state else { panic!("{:?}", ended.state) };
    assert_eq!(failure.field.as_deref(), Some("inputs"));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody else took over meanwhile");
}
