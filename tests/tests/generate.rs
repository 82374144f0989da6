//! `filmgate generate` in its three ways, each of which ends with a file that plays.

use std::path::Path;
use std::process::Command;

use http::StatusCode;
use tests::media::{PIXEL_BASE64, pixel, probe_file};
use tests::{Finished, Gateway, Process, SandboxProcess};

fn generate(prompt: &str, out: &Path) -> Command {
    let mut command = Process::command();
    command.arg("generate").arg(prompt).arg("--out").arg(out);
    command
}

async fn run(command: &mut Command, out: &Path) -> Finished {
    let finished = Process::run(command).await;
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stdout, out.display().to_string());
    finished
}

#[tokio::test]
async fn at_a_gateway_by_its_url_with_an_image_that_goes_in() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(tests::config::config(&sandbox.url())).await;
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (folder.path().join("first.png"), folder.path().join("cat.mp4"));
    std::fs::write(&image, pixel()).unwrap();
    let mut command = generate("a cat", &out);
    command.args(["--url", gateway.url(), "--model", "veo3-fast-frames", "--image"]).arg(&image);
    run(command.env("FILMGATE_KEY", gateway.key()), &out).await;
    assert_eq!(probe_file(&out).codec, "h264");
    let ledger = sandbox.ledger().await;
    let url = ledger.body("a cat")["imageUrls"][0].as_str().unwrap();
    assert_eq!(gateway.client().get(url).await.body, pixel(), "{PIXEL_BASE64} went in");
}

#[tokio::test]
async fn beside_a_running_server_with_a_key_that_lasts_as_long_as_the_command() {
    let gateway = Gateway::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cat.png");
    let mut command = generate("a cat", &out);
    run(command.args(["--scope", "images", "--data"]).arg(gateway.data()), &out).await;
    assert_eq!(probe_file(&out).codec, "png");
    assert_eq!(gateway.metric("filmgate_tasks_accepted_total", &[("scope", "images")]).await, 1.0);

    let mut list = Process::command();
    let listed = Process::run(list.args(["keys", "list", "--data"]).arg(gateway.data())).await.stdout;
    let line = listed.lines().find(|line| line.contains("generate")).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.ends_with("revoked"), "{line}");
}

#[tokio::test]
async fn alone_with_nothing_but_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cat.mp4");
    let mut command = generate("A cat surfing in sunset, cinematic", &out);
    run(command.arg("--data").arg(folder.path().join("data")), &out).await;
    let clip = probe_file(&out);
    assert_eq!((clip.codec.as_str(), clip.width), ("h264", 480));

    let mut list = Process::command();
    let listed = Process::run(list.args(["keys", "list", "--data"]).arg(folder.path().join("data"))).await;
    assert_eq!(
        listed.stdout.lines().count(),
        1,
        "no key is left, so that a server still makes its first: {listed:?}"
    );
}

#[tokio::test]
async fn a_failure_is_told_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cat.mp4");
    let mut command = generate("[sandbox:policy]", &out);
    let finished = Process::run(command.arg("--data").arg(folder.path().join("data"))).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains("the provider refused the content"), "{}", finished.stderr);
    assert!(!out.exists());
}

#[tokio::test]
async fn a_wrong_key_is_told() {
    let gateway = Gateway::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cat.mp4");
    let mut command = generate("a cat", &out);
    let finished = Process::run(command.args(["--url", gateway.url(), "--key", "wrong"])).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains("401"), "{}", finished.stderr);
    assert_eq!(gateway.client().get("/v1/models").await.status, StatusCode::OK);
}
