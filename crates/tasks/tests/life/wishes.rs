//! What clients may ask for besides making a task and reading it.

use std::time::Duration;

use domain::{
    AssetId, Derivation, Draft, DraftBasis, DraftInput, DraftMedia, DraftUpload, FailureKind, Media,
    OutputSpec, TaskId, TaskState,
};
use translation::ListQuery;

use crate::stage::{PATIENCE, Stage, account, client, draft};
use crate::upstream::{Answer, Upstream};
use crate::{CLIP, always, good};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const ALL: ListQuery = ListQuery { scope: None, after: None, limit: 10, ascending: false };

/// A stage whose accounts nobody works for.
async fn idle() -> Stage {
    Stage::new(vec![account("a", "http://127.0.0.1:1")]).await
}

#[tokio::test]
async fn who_waits_hears_of_the_end_and_not_before() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    let early = stage.service.wait(&client("owner"), &task.id, Duration::from_millis(20)).await.unwrap();
    assert_eq!(early.state.name(), "queued");
    let (service, id) = (stage.service.clone(), task.id.clone());
    let waiting = tokio::spawn(async move { service.wait(&client("owner"), &id, PATIENCE).await });
    let _worker = stage.work();
    assert_eq!(waiting.await.unwrap().unwrap().state.name(), "succeeded");
}

#[tokio::test]
async fn a_task_that_nobody_works_on_stops_at_once_and_costs_nothing() {
    let up = always(|| Answer::json(429, r#"{"message":"busy"}"#)).await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    let (noted, too_late) = stage.service.cancel(&client("owner"), &task.id).await.unwrap();
    assert_eq!((noted.state.name(), too_late), ("queued", false), "nobody has taken the wish up");
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "cancelled");
    assert_eq!(up.calls(), 0);
    let (_, too_late) = stage.service.cancel(&client("owner"), &task.id).await.unwrap();
    assert!(too_late);
    let stranger = stage.service.cancel(&client("stranger"), &task.id).await.unwrap_err();
    assert_eq!(stranger.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn an_upstream_that_cannot_stop_is_paid_and_what_it_makes_is_kept() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    stage.run_and_die(&task.id, "up-1").await;
    stage.service.cancel(&client("owner"), &task.id).await.unwrap();
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "succeeded");
}

#[tokio::test]
async fn an_upstream_that_can_stop_is_asked_to_and_its_word_ends_the_task() {
    let up = Upstream::start(|call, seen| match call {
        "POST /v1/predictions/up-1/cancel" => Answer::json(200, r#"{"id":"up-1","status":"processing"}"#),
        // It stops, but not at once.
        _ if seen < 3 => Answer::json(200, r#"{"id":"up-1","status":"processing"}"#),
        _ => Answer::json(200, r#"{"id":"up-1","status":"canceled"}"#),
    })
    .await;
    let mut account = account("a", &up.url);
    account.provider = "replicate".into();
    let stage = Stage::new(vec![account]).await;
    let task = stage.accept().await;
    stage.run_and_die(&task.id, "up-1").await;
    stage.service.cancel(&client("owner"), &task.id).await.unwrap();
    let _worker = stage.work();
    assert_eq!(stage.ended(&task.id).await.state.name(), "cancelled");
    assert_eq!(up.seen("POST /v1/predictions/up-1/cancel"), 1);
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let stage = idle().await;
    let mut made = Vec::new();
    for _task in 0..3 {
        made.push(stage.accept().await.id);
    }
    let page = stage.service.list(&client("owner"), ListQuery { limit: 2, ..ALL }).await.unwrap();
    let ids = |tasks: &[domain::Task]| tasks.iter().map(|task| task.id.clone()).collect::<Vec<TaskId>>();
    assert_eq!((ids(&page.tasks), page.has_more), (vec![made[2].clone(), made[1].clone()], true));
    let after = Some(made[1].clone());
    let rest = stage.service.list(&client("owner"), ListQuery { after, ..ALL }).await.unwrap();
    assert_eq!((ids(&rest.tasks), rest.has_more), (vec![made[0].clone()], false));
}

#[tokio::test]
async fn a_forgotten_task_leaves_neither_itself_nor_its_results() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    let running = stage.service.forget(&client("owner"), &task.id).await.unwrap_err();
    assert_eq!(running.kind, FailureKind::StillRunning);
    let _worker = stage.work();
    let ended = stage.ended(&task.id).await;
    let TaskState::Succeeded { outputs, .. } = &ended.state else { panic!("{:?}", ended.state) };
    let domain::OutputMedia::Stored { asset, .. } = &outputs[0].media else { panic!("{outputs:?}") };
    let file = stage.service.open_asset(asset).await.unwrap().path;
    assert_eq!(stage.service.read_results(&ended).await, [CLIP]);
    stage.service.forget(&client("owner"), &task.id).await.unwrap();
    assert!(!file.exists());
    for gone in [
        stage.service.get(&client("owner"), &task.id, None).await.err(),
        stage.service.forget(&client("owner"), &task.id).await.err(),
        stage.service.open_asset(asset).await.err(),
    ] {
        assert_eq!(gone.unwrap().kind, FailureKind::NotFound);
    }
}

#[tokio::test]
async fn an_uploaded_file_is_an_input_by_its_url_under_any_name_of_the_gateway() {
    let stage = idle().await;
    let upload = |bytes: &'static [u8]| DraftUpload {
        media: DraftMedia::Inline(bytes.into()),
        field: "file".into(),
        name: "a.png".into(),
    };
    let stored = stage.service.upload(&client("owner"), upload(PNG)).await.unwrap();
    assert_eq!((stored.media_type.as_str(), stored.bytes), ("image/png", PNG.len() as u64));
    assert!(stored.expires_at.is_some());
    let input = |url: String| {
        let mut draft = draft();
        draft.inputs =
            vec![DraftInput { role: None, field: "images[0]".into(), media: DraftMedia::Url(url) }];
        draft
    };
    for host in ["http://gateway", "https://another.name:8443"] {
        let url = stored.id.url(host, &stored.media_type);
        let task = stage.service.create(&client("owner"), "v2", input(url), None).await.unwrap().task;
        let media = Media::Asset { id: stored.id.clone(), media_type: "image/png".into() };
        assert_eq!(task.request.inputs[0].media, media, "{host}");
    }
    let unknown = AssetId::new("0".repeat(32)).url("http://gateway", "image/png");
    let refused = stage.service.create(&client("owner"), "v2", input(unknown), None).await.unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("images[0]"));
    let page = stage.service.upload(&client("owner"), upload(b"<html>")).await.unwrap_err();
    assert_eq!(page.kind, FailureKind::InvalidRequest);
}

#[tokio::test]
async fn what_was_uploaded_is_gone_when_its_time_is_over() {
    let short = |settings: &mut tasks::Settings| settings.input_lifetime = Duration::ZERO;
    let stage = Stage::with(vec![account("a", "http://127.0.0.1:1")], short).await;
    let media = DraftMedia::Inline(PNG.into());
    let upload = DraftUpload { media, field: "file".into(), name: String::new() };
    let stored = stage.service.upload(&client("owner"), upload).await.unwrap();
    let gone = stage.service.open_asset(&stored.id).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn a_url_inside_is_not_fetched_for_a_client() {
    let inside = always(|| Answer::bytes(PNG)).await;
    let closed = |settings: &mut tasks::Settings| settings.callbacks.allow_http = false;
    let stage = Stage::with(vec![account("a", "http://127.0.0.1:1")], closed).await;
    let media = DraftMedia::Url(format!("{}/secret.png", inside.url));
    let upload = DraftUpload { media, field: "url".into(), name: String::new() };
    let refused = stage.service.upload(&client("owner"), upload).await.unwrap_err();
    assert_eq!(refused.public, "url: the URL cannot be fetched");
    assert_eq!(inside.calls(), 0);
}

#[tokio::test]
async fn a_follow_up_asked_for_twice_is_one_task_and_stays_with_its_account() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = stage.accept().await;
    let follow_up = |resolution: &str| {
        let basis = DraftBasis { task: task.id.clone(), index: 0, derivation: Derivation::Upscale };
        let output = OutputSpec { resolution: Some(resolution.into()), ..OutputSpec::default() };
        Draft { basis: Some(basis), output, ..Draft::default() }
    };
    let early = stage.service.derive(&client("owner"), "kie", follow_up("4k")).await.unwrap_err();
    assert_eq!(early.kind, FailureKind::StillRunning);
    let worker = stage.work();
    stage.ended(&task.id).await;
    drop(worker);
    let first = stage.service.derive(&client("owner"), "kie", follow_up("4k")).await.unwrap();
    let second = stage.service.derive(&client("owner"), "kie", follow_up("4k")).await.unwrap();
    assert_eq!(first.id, second.id);
    let basis = first.request.basis.as_ref().unwrap();
    assert_eq!((basis.account.as_str(), basis.handle.as_str()), ("a", "up-1"));
    let other = stage.service.derive(&client("owner"), "kie", follow_up("1080p")).await.unwrap();
    assert_ne!(first.id, other.id);
    let stranger = stage.service.derive(&client("stranger"), "kie", follow_up("4k")).await.unwrap_err();
    assert_eq!(stranger.kind, FailureKind::NotFound);
}
