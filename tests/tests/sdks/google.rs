//! Google's clients, new and old: Veo through the Gemini API and through Vertex AI.

use serde_json::{Value, json};
use tests::media::probe_file;

use crate::certificate::Certificate;
use crate::script::Script;
use crate::server::Server;

/// Models as the gateway and as Google call them.
const PUBLIC: &str = "veo3.1-fast";
const GEMINI: &str = "veo-3.1-fast-generate-preview";
const VERTEX: &str = "veo-3.1-fast-generate-001";

/// Runs a script that makes a clip of `model`.
async fn makes_a_clip(script: Script, server: &Server, model: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let arguments = [server.base_url(), server.key(), model, clip.to_str().unwrap()];
    let certificate = server.base_url().starts_with("https").then(|| server.certificate_file());
    let trusted = certificate.as_deref().map(Certificate::trusted);
    let seen = script.run(&arguments, trusted.as_ref().map_or(&[], |trusted| &trusted[..])).await;
    assert_eq!(probe_file(&clip).codec, "h264", "{script:?}");
    assert_eq!(server.accepted("a lighthouse in a storm").await, 1, "{script:?}");
    assert_eq!(seen["unknown_model"]["code"], 404, "{seen}");
    seen
}

async fn at_the_gateway(script: Script, server: &Server, model: &str) -> Value {
    let seen = makes_a_clip(script, server, model).await;
    let reason = seen["refused"][0].as_str().unwrap_or_default();
    assert!(reason.starts_with("the provider refused the content"), "{seen}");
    assert_eq!(seen["wrong_key"]["code"], 401, "{seen}");
    seen
}

async fn at_the_sandbox(script: Script, api: &str, model: &str) -> Value {
    let seen = makes_a_clip(script, &Server::sandbox(api).await, model).await;
    let reason = seen["refused"][0].as_str().unwrap_or_default();
    assert!(reason.contains("usage guidelines"), "{seen}");
    seen
}

#[tokio::test]
async fn the_python_client_of_the_gemini_api_makes_a_clip_at_the_gateway() {
    let seen = at_the_gateway(Script::old("google_gemini.py"), &Server::gateway().await, PUBLIC).await;
    let expected = json!({ "class": "ClientError", "code": 404, "status": "NOT_FOUND" });
    assert_eq!(seen["unknown_model"], expected);
}

#[tokio::test]
async fn google_clients_of_the_gemini_api_cut_a_name_out_of_an_encrypted_address() {
    for script in [Script::old("google_gemini.py"), Script::new("google_gemini.js")] {
        let server = Server::gateway_with_tls().await;
        let seen = at_the_gateway(script, &server, GEMINI).await;
        assert!(seen["uri"].as_str().unwrap().starts_with("https://"), "{seen}");
    }
}

#[tokio::test]
async fn the_python_client_of_the_gemini_api_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::old("google_gemini.py"), "gemini", GEMINI).await;
}

#[tokio::test]
async fn the_javascript_client_of_the_gemini_api_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("google_gemini.js"), &Server::gateway().await, PUBLIC).await;
}

#[tokio::test]
async fn the_javascript_client_of_the_gemini_api_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("google_gemini.js"), "gemini", GEMINI).await;
}

#[tokio::test]
async fn python_clients_of_vertex_make_clips_at_the_gateway() {
    for script in [Script::new("google_vertex.py"), Script::old("google_vertex.py")] {
        let seen = at_the_gateway(script, &Server::gateway().await, VERTEX).await;
        let start = "projects/film-1/locations/us-central1/publishers/google/models/veo3.1-fast/operations/";
        assert!(seen["name"].as_str().unwrap().starts_with(start), "{seen}");
        assert!(seen["name_by_key"].as_str().unwrap().starts_with("publishers/"), "{seen}");
        assert!(seen["bytes_by_key"].as_u64().unwrap() > 1000, "{seen}");
    }
}

#[tokio::test]
async fn python_clients_of_vertex_make_clips_at_the_sandbox() {
    for script in [Script::new("google_vertex.py"), Script::old("google_vertex.py")] {
        at_the_sandbox(script, "vertex", VERTEX).await;
    }
}

#[tokio::test]
async fn the_javascript_client_of_vertex_makes_a_clip_at_the_gateway() {
    at_the_gateway(Script::new("google_vertex.js"), &Server::gateway().await, PUBLIC).await;
}

#[tokio::test]
async fn the_javascript_client_of_vertex_makes_a_clip_at_the_sandbox() {
    at_the_sandbox(Script::new("google_vertex.js"), "vertex", VERTEX).await;
}
