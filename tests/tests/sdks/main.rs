//! Clients as their makers publish them, pointed at the gateway and otherwise unchanged.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tests::config::config;
use tests::media::probe;
use tests::{Gateway, SandboxProcess};

/// The Python that knows the clients: `FILMGATE_SDK_PYTHON`, else where `cargo xtask setup` puts it.
fn python() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sdks/bin/python");
    let python = std::env::var_os("FILMGATE_SDK_PYTHON").map_or_else(usual, PathBuf::from);
    assert!(python.is_file(), "{} is not there; `cargo xtask setup` installs it", python.display());
    python
}

/// Runs a script of `tests/sdks`; the object that it prints.
fn run(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks").join(script);
    let mut command = Command::new(python());
    command.arg("-W").arg("ignore::DeprecationWarning").arg(path).args(arguments);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_refused_by_policy(reason: &Value) {
    let reason = reason.as_str().unwrap_or_default();
    assert!(reason.starts_with("the provider refused the content"), "{reason}");
}

#[tokio::test]
async fn openai_s_client_makes_a_clip_and_sees_errors() {
    let gateway = Gateway::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let arguments = [gateway.url(), gateway.key(), clip.to_str().unwrap()];
    let seen = run("openai_videos.py", &arguments, &[]);
    assert_eq!((&seen["status"], &seen["progress"]), (&json!("completed"), &json!(100)), "{seen}");
    assert_eq!(probe(&std::fs::read(clip).unwrap()).codec, "h264");
    assert_eq!(seen["refused"], "failed", "{seen}");
    assert_refused_by_policy(&seen["reason"]);
    let unknown = json!({ "status": 404, "class": "NotFoundError", "code": "model_not_found" });
    assert_eq!(seen["unknown_model"], unknown);
    assert_eq!(seen["wrong_key"]["class"], "AuthenticationError", "{seen}");
}

#[tokio::test]
async fn replicate_s_client_makes_a_clip_and_sees_errors() {
    let gateway = Gateway::embedded().await;
    let seen = run("replicate_predictions.py", &[gateway.url(), gateway.key()], &[]);
    assert_eq!(seen["status"], "succeeded", "{seen}");
    let clip = gateway.client().get(seen["url"].as_str().unwrap()).await;
    assert_eq!(probe(&clip.body).codec, "h264");
    assert_eq!(seen["refused"], "failed", "{seen}");
    assert_refused_by_policy(&seen["reason"]);
    assert_eq!(seen["wrong_key"], 401, "{seen}");
}

#[tokio::test]
async fn fal_s_client_makes_a_clip_over_tls_and_sees_errors() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (crt, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&crt, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["tls"] = json!({ "cert_file": crt, "key_file": key });
    let gateway = Gateway::with_config(config).await;
    let host = gateway.url().replacen("https://127.0.0.1", "localhost", 1);
    let variables = [
        ("FAL_QUEUE_RUN_HOST", host.as_str()),
        ("FAL_RUN_HOST", host.as_str()),
        ("SSL_CERT_FILE", crt.to_str().unwrap()),
    ];
    let seen = run("fal_queue.py", &[gateway.key()], &variables);
    assert_eq!(seen["status"], "Completed", "{seen}");
    assert!(seen["url"].as_str().unwrap().contains("/assets/"), "{seen}");
    assert_eq!(seen["wrong_field"]["status"], 422, "{seen}");
    assert!(seen["refused"].is_object(), "a refused prompt is an error: {seen}");
    assert_eq!(sandbox.ledger().await.accepted("a lighthouse in a storm"), 1);
}
