//! A request that comes again.

use std::time::Duration;

use domain::{DraftInput, DraftMedia, FailureKind, TaskState};

use crate::stage::{Stage, account, client, draft};
use crate::{Answer, Upstream, good};

#[tokio::test]
async fn the_same_key_is_the_same_task_whoever_is_faster() {
    let up = good().await;
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let service = stage.service.clone();
        copies
            .spawn(async move { service.create(&client("owner"), "v2", draft(), Some("k")).await.unwrap() });
    }
    let made = copies.join_all().await;
    assert_eq!(made.iter().filter(|made| !made.replayed).count(), 1);
    assert!(made.iter().all(|copy| copy.task.id == made[0].task.id));
    let _worker = stage.work();
    stage.ended(&made[0].task.id).await;
    let late = stage.service.create(&client("owner"), "v2", draft(), Some("k")).await.unwrap();
    assert!(late.replayed && matches!(late.task.state, TaskState::Succeeded { .. }), "{late:?}");
    assert_eq!(up.seen("POST /v2/videos/generations"), 1);
    let other = stage.service.create(&client("other"), "v2", draft(), Some("k")).await.unwrap();
    assert!(!other.replayed, "another owner's key is another key");
}

#[tokio::test]
async fn a_key_cannot_name_two_requests() {
    let stage = Stage::new(vec![account("a", "http://127.0.0.1:1")]).await;
    stage.service.create(&client("owner"), "v2", draft(), Some("k")).await.unwrap();
    let mut other = draft();
    other.prompt.push('!');
    let refused = stage.service.create(&client("owner"), "v2", other, Some("k")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::KeyReused);
    for key in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        let refused = stage.service.create(&client("owner"), "v2", draft(), Some(key)).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::InvalidRequest, "{key:?}");
    }
}

#[tokio::test]
async fn what_a_repetition_brings_along_is_not_kept() {
    let stage = Stage::new(vec![account("a", "http://127.0.0.1:1")]).await;
    let with_image = || {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
        let media = DraftMedia::Inline(png.as_slice().into());
        let mut draft = draft();
        draft.inputs = vec![DraftInput { role: None, field: "images[0]".into(), media }];
        draft
    };
    stage.service.create(&client("owner"), "v2", with_image(), Some("k")).await.unwrap();
    let before = stage.files();
    assert!(before > 0);
    let again = stage.service.create(&client("owner"), "v2", with_image(), Some("k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(stage.files(), before);
}

#[tokio::test]
async fn within_the_window_a_request_without_a_key_is_known_by_what_it_asks_for() {
    let up = Upstream::start(|_call, _seen| Answer::json(503, "{}")).await;
    let window = |settings: &mut tasks::Settings| settings.duplicate_window = Duration::from_secs(60);
    let stage = Stage::with(vec![account("a", &up.url)], window).await;
    let made = async |draft| stage.service.create(&client("owner"), "v2", draft, None).await.unwrap();
    let first = made(draft()).await;
    assert_eq!(made(draft()).await.task.id, first.task.id);
    let mut other = draft();
    other.prompt.push('!');
    assert!(!made(other).await.replayed);
    let key = stage.service.create(&client("owner"), "v2", draft(), Some("k")).await.unwrap();
    assert!(!key.replayed, "who gives a key says what is the same");

    let each = Stage::new(vec![account("a", &up.url)]).await;
    let first = each.service.create(&client("owner"), "v2", draft(), None).await.unwrap();
    let second = each.service.create(&client("owner"), "v2", draft(), None).await.unwrap();
    assert_ne!(first.task.id, second.task.id, "without a window each request is another");
}
