//! Replicate's clients: predictions step by step, and in one call that downloads the result, too.

use serde_json::{Value, json};
use tests::media::{probe, probe_file};

use crate::certificate::Certificate;
use crate::script::Script;
use crate::server::Server;

/// Runs a script that makes a clip.
async fn makes_a_clip(script: Script, server: &Server) -> Value {
    let seen = script.run(&[server.base_url(), server.key()], &[]).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    let clip = server.media(seen["url"].as_str().unwrap()).await;
    assert_eq!(probe(&clip).codec, "h264");
    assert_eq!(server.accepted("a lighthouse in a storm").await, 1);
    assert_eq!(seen["refused"]["status"], "failed", "{seen}");
    assert_eq!(seen["unknown_model"], json!({ "status": 404 }));
    assert_eq!(seen["wrong_key"], json!({ "status": 401 }));
    seen
}

async fn at_the_gateway(script: Script) {
    let seen = makes_a_clip(script, &Server::gateway().await).await;
    assert_refused(&seen["refused"]["reason"]);
}

async fn at_the_sandbox(script: Script) {
    let seen = makes_a_clip(script, &Server::sandbox("replicate").await).await;
    let reason = seen["refused"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("flagged as sensitive"), "{reason}");
}

fn assert_refused(reason: &Value) {
    let reason = reason.as_str().unwrap_or_default();
    assert!(reason.contains("the provider refused the content"), "{reason}");
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("replicate_predictions.py")).await;
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("replicate_predictions.py")).await;
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("replicate_predictions.js")).await;
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("replicate_predictions.js")).await;
}

#[tokio::test]
async fn both_clients_download_what_they_run() {
    for script in [Script::new("replicate_run.py"), Script::new("replicate_run.js")] {
        let server = Server::gateway_with_tls().await;
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip.mp4");
        let arguments = [server.base_url(), server.key(), clip.to_str().unwrap()];
        let seen = script.run(&arguments, &Certificate::trusted(&server.certificate_file())).await;
        assert_eq!(probe_file(&clip).codec, "h264", "{script:?}");
        assert_eq!(server.accepted("a lighthouse in a storm").await, 1, "{script:?}");
        assert_refused(&seen["reason"]);
    }
}
