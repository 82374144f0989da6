//! Inputs reach each upstream in the form that it reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Draft, DraftInput, DraftMedia, FailureKind, TaskState};

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
    let task = stage.service.create(&client("owner"), "v2", draft).await.unwrap();
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
        let task = stage.service.create(&client("owner"), "v2", draft).await.unwrap();
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
        let task = stage.service.create(&client("owner"), "v2", draft).await.unwrap();
        let ended = stage.ended(&task.id).await;
        let TaskState::Failed { failure, .. } = &ended.state else { panic!("{:?}", ended.state) };
        assert_eq!(
            (failure.kind, failure.field.as_deref()),
            (FailureKind::InvalidRequest, Some("inputs[0]"))
        );
        assert!(ended.attempts.is_empty() && up.first("predict").is_none(), "{file}");
    }
}
