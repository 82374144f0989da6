//! OpenAI's clients: videos, images and speech, and what clients do that are older than these.

use serde_json::{Value, json};
use tests::media::{probe, probe_file};

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

/// Models as the gateway and as OpenAI call them.
const MODELS: [(&str, &str); 4] =
    [("gpt-image-1", "gpt-image-1"), ("dall-e-2", "dall-e-2"), ("tts-1", "tts-1"), ("veo3.1-fast", "sora-2")];

/// A wait that no image here needs.
const LONG: &str = "10m";

/// Runs a script that makes images and speech.
async fn makes_images_and_speech(script: Script, server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let arguments = [server.base_url(), server.key(), folder.path().to_str().unwrap()];
    let seen = script.run(&arguments, &[]).await;
    assert_eq!(seen["size"], "1536x1024", "{seen}");
    let (first, second) = (file("made-0.png"), file("made-1.png"));
    assert_eq!((probe_file(&first).codec.as_str(), probe_file(&first).width), ("png", 1536));
    assert_ne!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap(), "two images");
    assert_eq!(probe_file(&file("edited.png")).codec, "png");
    assert_eq!(probe(&server.media(seen["url"].as_str().unwrap()).await).codec, "png");
    assert_eq!(probe_file(&file("speech.wav")).codec, "pcm_s16le");
    let (sound, samples) = (std::fs::read(file("speech.wav")).unwrap(), file("speech.pcm"));
    assert!(sound.ends_with(&std::fs::read(samples).unwrap()), "the same sound without its head");
    for prompt in ["a lighthouse in a storm", "both in one", "the same by night"] {
        assert_eq!(server.accepted(prompt).await, 1, "{prompt}");
    }
    let refused = json!({ "class": "BadRequestError", "status": 400, "code": "moderation_blocked" });
    let wrong_field = json!({ "class": "BadRequestError", "status": 400, "code": "invalid_value" });
    assert_eq!((&seen["refused"], &seen["wrong_field"]), (&refused, &wrong_field), "{seen}");
}

/// The script with clients of every age that can say it all.
fn media_scripts() -> [Script; 4] {
    let (python, javascript) = ("openai_media.py", "openai_media.js");
    [Script::new(python), Script::old(python), Script::new(javascript), Script::old(javascript)]
}

#[tokio::test]
async fn clients_make_images_and_speech_at_the_gateway() {
    for script in media_scripts() {
        makes_images_and_speech(script, &Server::gateway_for("openai", &MODELS, LONG).await).await;
    }
}

#[tokio::test]
async fn clients_make_images_and_speech_at_the_sandbox() {
    for script in media_scripts() {
        makes_images_and_speech(script, &Server::sandbox("openai").await).await;
    }
}

#[tokio::test]
async fn clients_do_not_pay_twice_by_themselves() {
    for script in [
        Script::new("openai_patience.py"),
        Script::old("openai_patience.py"),
        Script::new("openai_patience.js"),
        Script::old("openai_patience.js"),
    ] {
        let server = Server::gateway_for("openai", &MODELS, "1s").await;
        let seen = script.run(&[server.base_url(), server.key()], &[]).await;
        let error = json!({ "class": "InternalServerError", "status": 504, "code": "still_running" });
        assert_eq!(seen, json!({ "error": error, "requests": 1 }), "{script:?}");
    }
}

/// Runs a script that remixes, lists and deletes clips of `model`.
async fn keeps_a_shelf(script: Script, server: &Server, model: &str) {
    let seen = script.run(&[server.base_url(), server.key(), model], &[]).await;
    let gone = json!({ "class": "NotFoundError", "status": 404 });
    let expected = json!({
        "status": "completed", "remixed_from": true, "prompt": "the same by night", "all": true, "oldest": true,
        "deleted": [true, "video.deleted", true], "left": true, "gone": gone, "remix_of_gone": gone,
    });
    assert_eq!(seen, expected, "{script:?}");
}

#[tokio::test]
async fn clients_remix_list_and_delete_clips() {
    for script in [Script::new("openai_shelf.py"), Script::new("openai_shelf.js")] {
        keeps_a_shelf(script, &Server::gateway_for("openai", &MODELS, LONG).await, "veo3.1-fast").await;
        keeps_a_shelf(script, &Server::sandbox("openai").await, "sora-2").await;
    }
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
            // The routes of the config, and the models that these replace.
            [
                "nano-banana",
                "suno-v4",
                "veo2-fast",
                "veo2-fast-frames",
                "veo3",
                "veo3-fast",
                "veo3-fast-frames",
                "veo3.1-fast"
            ],
            "{script:?}"
        );
    }
}
