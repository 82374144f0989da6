//! fal's clients. The one in Python speaks TLS only and takes its hosts from the environment.

use serde_json::{Value, json};
use tests::media::probe;

use crate::certificate::Certificate;
use crate::script::Script;
use crate::server::Server;

/// What every fal-like server says: a refused prompt and a wrong field are told by field, as fal does.
async fn assert_made_a_clip(seen: &Value, server: &Server) {
    assert_eq!(
        (&seen["status"], &seen["content_type"]),
        (&json!("COMPLETED"), &json!("video/mp4")),
        "{seen}"
    );
    let clip = server.media(seen["url"].as_str().unwrap()).await;
    assert_eq!(probe(&clip).codec, "h264");
    assert_eq!(server.accepted("a lighthouse in a storm").await, 1);
    assert_eq!(seen["refused"]["status"], 422, "{seen}");
    assert_eq!(seen["wrong_field"]["status"], 422, "{seen}");
    assert_eq!(seen["unknown_model"]["status"], 404, "{seen}");
    assert_eq!(seen["wrong_key"]["status"], 401, "{seen}");
}

async fn python_at(server: Server) -> Value {
    let host = server.base_url().trim_start_matches("https://");
    let file = server.certificate_file();
    let hosts = [("FAL_QUEUE_RUN_HOST", host), ("FAL_RUN_HOST", host)];
    let variables = [&hosts[..], &Certificate::trusted(&file)].concat();
    let seen = Script::new("fal_queue.py").run(&[server.key()], &variables).await;
    assert_made_a_clip(&seen, &server).await;
    seen
}

async fn javascript_at(server: Server) -> Value {
    let seen = Script::new("fal_queue.js").run(&[server.base_url(), server.key()], &[]).await;
    assert_made_a_clip(&seen, &server).await;
    seen
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_gateway() {
    let seen = python_at(Server::gateway_with_tls().await).await;
    assert_eq!(seen["wrong_field"]["fields"], json!(["prompt"]));
}

#[tokio::test]
async fn the_python_client_makes_a_clip_at_the_sandbox() {
    let seen = python_at(Server::sandbox_with_tls("fal").await).await;
    assert_eq!(seen["refused"]["fields"], json!(["prompt"]));
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_gateway() {
    let seen = javascript_at(Server::gateway().await).await;
    assert_eq!(seen["wrong_field"]["fields"], json!(["prompt"]));
}

#[tokio::test]
async fn the_javascript_client_makes_a_clip_at_the_sandbox() {
    let seen = javascript_at(Server::sandbox("fal").await).await;
    assert_eq!(seen["refused"]["fields"], json!(["prompt"]));
}
