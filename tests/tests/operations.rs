//! What an operator does: watch it, stop it, keep two from sharing a folder, check a config, hand out keys.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::path::Path;

use http::{Method, StatusCode, header};
use serde_json::json;
use tests::client::filled;
use tests::config::{config, image};
use tests::{Finished, Gateway, Options, Process, SandboxProcess, eventually, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_operator_sees_counters_and_health() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    gateway.succeeded("images", &image("count me")).await;
    for (name, labels) in [
        ("filmgate_tasks_accepted_total", vec![("scope", "images"), ("dialect", "v2")]),
        ("filmgate_tasks_ended_total", vec![("state", "succeeded")]),
        ("filmgate_submits_total", vec![("account", "v2"), ("outcome", "accepted")]),
        ("filmgate_result_copies_total", vec![("account", "v2"), ("outcome", "copied")]),
    ] {
        assert_eq!(gateway.metric(name, &labels).await, 1.0, "{name}");
    }
    assert!(gateway.metric("filmgate_polls_total", &[("account", "v2")]).await >= 1.0);

    let operator = gateway.operator();
    for path in ["/livez", "/readyz"] {
        assert_eq!(operator.get(path).await.status, StatusCode::OK, "{path}");
    }
    let metrics = operator.get("/metrics").await;
    assert!(!String::from_utf8_lossy(&metrics.body).contains(gateway.key()), "a key is no label");
    // What the operator has, clients have not.
    assert_eq!(gateway.client().get("/metrics").await.status, StatusCode::NOT_FOUND);
}

/// Sends the head of a request for an image and waits until the server asks for the body.
async fn begun(gateway: &Gateway, body: &str) -> TcpStream {
    let address = gateway.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v2/images/generations HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        gateway.key(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let read = within("the server's word to go on", stream.read(&mut answer)).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&answer[..read]));
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_a_stop() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = Gateway::with_config(config(&sandbox.url())).await;
    let body = image("the last one").to_string();
    let mut stream = begun(&gateway, &body).await;
    gateway.terminate();
    eventually("the wish to stop", async || {
        let ready = gateway.operator().get("/readyz").await;
        (ready.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let refused =
        gateway.client().try_call(gateway.client().post_request("/v2/images/generations", "{}")).await;
    assert!(refused.is_err(), "nobody new is let in: {refused:?}");

    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the last answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(gateway.exit().await.code(), Some(0));

    let (_, created) = answer.split_once("{\"task_id\":\"").unwrap();
    let (id, _) = created.split_once('"').unwrap();
    gateway.restart().await;
    assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_submit_under_way_is_waited_for_before_a_stop() {
    let sandbox = SandboxProcess::start().await;
    let mut gateway = Gateway::with_config(config(&sandbox.url())).await;
    let prompt = "[sandbox:submit:latency=3s]";
    let id = gateway.create("images", &image(prompt)).await;
    eventually("the submit", async || (sandbox.ledger().await.accepted(prompt) == 1).then_some(())).await;
    gateway.terminate();
    assert_eq!(gateway.exit().await.code(), Some(0));

    gateway.restart().await;
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
}

#[tokio::test]
async fn a_second_server_over_the_same_data_is_refused() {
    let gateway = Gateway::embedded().await;
    let second = Process::run(&mut gateway.serve_command()).await;
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stderr.contains("another server is using"), "{}", second.stderr);
    assert!(!second.stdout.contains("serves"), "{}", second.stdout);
    assert_eq!(gateway.client().get("/v1/models").await.status, StatusCode::OK, "the first one is unharmed");
}

async fn check(text: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filmgate.yaml");
    std::fs::write(&file, text).unwrap();
    Process::run(
        Process::command().arg("check").arg("--config").arg(&file).env("UPSTREAM_KEY", "an-upstream-key"),
    )
    .await
}

#[tokio::test]
async fn a_config_is_checked_as_a_whole() {
    let good = check(&config("http://127.0.0.1:9").to_string()).await;
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(good.stdout.contains("in order (2 accounts, 5 routes)"), "{}", good.stdout);

    let bad = check("server:\n  lisen: 127.0.0.1:1\n  body_timeout: soon\nroutes:\n  - model: veo33\n    accounts: [nobody]\n").await;
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    for (place, problem) in [
        (":2:3 server.lisen", "did you mean \"listen\"?"),
        (":3:17 server.body_timeout", "expected a duration"),
        (":5:12 routes[0].model", "veo33"),
        (":6:16 routes[0].accounts[0]", "nobody"),
    ] {
        let line = bad.stdout.lines().find(|line| line.contains(place));
        assert!(line.is_some_and(|line| line.contains(problem)), "{place}, {problem} in {}", bad.stdout);
    }
    assert_eq!(bad.stdout.lines().count(), 4, "{}", bad.stdout);
}

#[tokio::test]
async fn a_server_does_not_start_with_a_bad_config() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filmgate.yaml");
    std::fs::write(&file, "colour: red\n").unwrap();
    let mut command = Process::command();
    command.arg("serve").arg("--config").arg(&file).arg("--data").arg(folder.path().join("data"));
    let refused = Process::run(&mut command).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(":1:1 colour: unknown key"), "{}", refused.stderr);
}

/// `filmgate keys` on the data of `gateway`.
async fn keys(gateway: &Gateway, arguments: &[&str]) -> Finished {
    let mut command = Process::command();
    let finished = Process::run(command.arg("keys").args(arguments).arg("--data").arg(gateway.data())).await;
    assert!(finished.status.success(), "{arguments:?}: {finished:?}");
    finished
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_beside_a_running_server() {
    let gateway = Gateway::embedded().await;
    let created = keys(&gateway, &["create", "--name", "studio", "--concurrent-tasks", "1"]).await;
    let client = gateway.client().with_key(created.stdout.trim());
    let image = image("[sandbox:never]").to_string();
    assert_eq!(client.post("/v2/images/generations", image.clone()).await.status, StatusCode::OK);
    let second = client.post("/v2/images/generations", image).await;
    assert_eq!(second.json()["code"], "too_many_concurrent_tasks", "the key has a limit of its own");

    let listed = keys(&gateway, &["list"]).await.stdout;
    assert!(!listed.contains(created.stdout.trim()), "{listed}");
    let line = listed.lines().find(|line| line.contains("studio")).unwrap();
    assert!(line.ends_with("live"), "{line}");
    let id = line.split_whitespace().next().unwrap();
    keys(&gateway, &["revoke", id]).await;
    eventually("the end of the key", async || {
        let refused = client.get("/v2/images/generations/none").await.status == StatusCode::UNAUTHORIZED;
        refused.then_some(())
    })
    .await;
    let listed = keys(&gateway, &["list"]).await.stdout;
    assert!(listed.lines().any(|line| line.contains(id) && line.ends_with("revoked")), "{listed}");
    assert_eq!(gateway.client().get("/v2/images/generations/none").await.status, StatusCode::NOT_FOUND);
}

/// All files below `folder` that hold `text`.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn the_first_key_is_printed_once_and_kept_nowhere() {
    let mut gateway = Gateway::start(Options::embedded().making_its_first_key()).await;
    let shown =
        |said: &str| said.lines().find_map(|line| Some(line.split_once("shown this once: ")?.1.to_owned()));
    let key = eventually("the first key", async || shown(&gateway.stdout())).await;
    let known = async |gateway: &Gateway| {
        gateway.client().with_key(&key).get("/v2/images/generations/none").await.status
    };
    assert_eq!(known(&gateway).await, StatusCode::NOT_FOUND);
    let client = gateway.client().with_key(&key);
    let accepted = client.post("/v2/images/generations", image("for the data").to_string()).await;
    assert_eq!(accepted.status, StatusCode::OK, "{accepted:?}");

    gateway.terminate();
    assert_eq!(gateway.exit().await.code(), Some(0));
    assert!(!gateway.stderr().contains(&key), "a key is not logged");
    assert_eq!(files_with(&gateway.data(), &key), [""; 0]);
    assert!(!files_with(&gateway.data(), "for the data").is_empty(), "the search finds what is there");

    gateway.restart().await;
    assert_eq!(known(&gateway).await, StatusCode::NOT_FOUND, "it is good for ever");
    assert_eq!(shown(&gateway.stdout()), None);
    assert!(!gateway.stdout().contains(&key));
}

#[tokio::test]
async fn an_upstream_key_is_told_to_nobody() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["log"] = json!({ "level": "trace" });
    let mut gateway = Gateway::with_config(config).await;
    gateway.succeeded("images", &image("spend it")).await;
    let unknown = gateway.create("images", &image("[sandbox:garbage]")).await;
    gateway.ended("images", &unknown).await;
    gateway.terminate();
    gateway.exit().await;
    let logged = gateway.stderr();
    assert!(logged.contains("task ended"), "the log says what happened: {logged}");
    for secret in ["sandbox-upstream-key", gateway.key()] {
        assert!(!logged.contains(secret), "{secret} is in the log");
        assert_eq!(files_with(&gateway.data(), secret), [""; 0]);
    }
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_page() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["cors_origins"] = json!(["https://studio.example.com"]);
    let gateway = Gateway::with_config(config).await;
    for (origin, allowed) in
        [("https://studio.example.com", "https://studio.example.com"), ("https://evil.example.com", "")]
    {
        let request = gateway.client().request(Method::GET, "/v1/models").header(header::ORIGIN, origin);
        let reply = gateway.client().call(filled(request, "")).await;
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
    }
}
