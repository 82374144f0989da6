//! OpenAI's clients: videos, and what clients do that are older than these.

use serde_json::{Value, json};
use tests::media::probe_file;

use crate::script::Script;
use crate::server::Server;

/// What the gateway says to a model that it does not know.
fn unknown_here() -> Value {
    json!({ "class": "NotFoundError", "status": 404, "code": "model_not_found" })
}

/// What OpenAI says.
fn unknown_there() -> Value {
    json!({ "class": "BadRequestError", "status": 400, "code": "invalid_value" })
}

/// Runs a script that makes a clip of `model`.
async fn makes_a_clip(script: Script, server: &Server, model: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let seen = script.run(&[server.base_url(), server.key(), model, clip.to_str().unwrap()], &[]).await;
    assert_eq!((&seen["status"], &seen["progress"]), (&json!("completed"), &json!(100)), "{seen}");
    assert_eq!(probe_file(&clip).codec, "h264");
    assert_eq!(server.accepted("a lighthouse in a storm").await, 1);
    let refused = &seen["refused"];
    assert_eq!((&refused["status"], &refused["code"]), (&json!("failed"), &json!("moderation_blocked")));
    let wrong_key = json!({ "class": "AuthenticationError", "status": 401, "code": "invalid_api_key" });
    assert_eq!(seen["wrong_key"], wrong_key);
    seen
}

async fn at_the_gateway(script: Script) {
    let seen = makes_a_clip(script, &Server::gateway().await, "veo3.1-fast").await;
    let reason = seen["refused"]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the provider refused the content"), "{reason}");
    assert_eq!(seen["unknown_model"], unknown_here());
}

async fn at_the_sandbox(script: Script) {
    let seen = makes_a_clip(script, &Server::sandbox("openai").await, "sora-2").await;
    assert_eq!(seen["unknown_model"], unknown_there());
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("openai_videos.py")).await;
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("openai_videos.py")).await;
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("openai_videos.js")).await;
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("openai_videos.js")).await;
}

#[tokio::test]
async fn an_old_python_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::old("openai_raw.py")).await;
}

#[tokio::test]
async fn an_old_python_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::old("openai_raw.py")).await;
}

#[tokio::test]
async fn an_old_javascript_client_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::old("openai_raw.js")).await;
}

#[tokio::test]
async fn an_old_javascript_client_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::old("openai_raw.js")).await;
}

#[tokio::test]
async fn clients_of_every_age_list_the_models() {
    let server = Server::gateway().await;
    for script in [
        Script::new("openai_models.py"),
        Script::old("openai_models.py"),
        Script::new("openai_models.js"),
        Script::old("openai_models.js"),
    ] {
        let seen = script.run(&[server.base_url(), server.key()], &[]).await;
        let mut models: Vec<&str> =
            seen["models"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        models.sort_unstable();
        assert_eq!(
            models,
            ["nano-banana", "suno-v4", "veo3", "veo3-fast-frames", "veo3.1-fast"],
            "{script:?}"
        );
    }
}
