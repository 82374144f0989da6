//! What the log does not tell, even when an upstream repeats what it was sent.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use serde_json::{Value, json};
use tests::config::{account, of, route, video};
use tests::{Gateway, Options, secrets};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PROMPT: &str = "canary-in-the-prompt";

/// An upstream that answers every call with `status` and the call's own bytes; its URL.
async fn parrot(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let mut heard = Vec::new();
            while !heard.ends_with(b"}") && stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
            let said = String::from_utf8_lossy(&heard).replace(['\r', '\n', '"'], " ");
            let body = format!("{{\"message\":\"{said}\"}}");
            let head = format!("HTTP/1.1 {status} Parrot\r\ncontent-length: {}\r\n\r\n", body.len());
            let _client_gone = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

/// A gateway in front of such an upstream, which logs as much as the stories' gateways do, or by other directives.
async fn gateway(status: u16, directives: Option<&str>) -> Gateway {
    let accounts = vec![account("parrot", "v2", &parrot(status).await)];
    let mut config = of(accounts, vec![route("veo3", &["parrot"]), route("nano-banana", &["parrot"])]);
    config["log"] = json!({ "format": "json" });
    let options = Options::config(config);
    Gateway::start(match directives {
        Some(directives) => options.variable("FILMGATE_LOG", directives),
        None => options,
    })
    .await
}

#[tokio::test]
async fn neither_prompts_nor_keys_are_in_the_log() {
    for status in [500, 400, 200] {
        let gateway = gateway(status, None).await;
        let id = gateway.create("videos", &video(PROMPT, "veo3")).await;
        assert_eq!(gateway.ended("videos", &id).await["status"], "FAILURE");
        // One whose client waits for the end, and is told what it was.
        let body = json!({ "prompt": PROMPT, "model": "nano-banana", "response_format": "b64_json" });
        let waited = gateway.client().post("/v1/images/generations", body.to_string()).await;
        assert!(waited.status.is_client_error() || waited.status.is_server_error(), "{waited:?}");
        let log = gateway.stderr();
        assert!(log.contains(&id), "{status}: the task is in the log: {log}");
        for secret in [PROMPT, gateway.key()] {
            assert!(!log.contains(secret), "{status}: {secret} is in the log: {log}");
        }
    }
}

#[tokio::test]
async fn what_an_upstream_said_is_in_the_log_of_who_asks_for_it() {
    let gateway = gateway(400, Some("info,filmgate::said=debug")).await;
    let id = gateway.create("videos", &video(PROMPT, "veo3")).await;
    assert_eq!(gateway.ended("videos", &id).await["status"], "FAILURE");
    let log = gateway.stderr();
    assert!(log.contains(PROMPT), "{log}");
    assert!(!secrets::found_in(&log).is_empty(), "what the other stories look for is found where it is");
}

#[tokio::test]
async fn lines_name_the_request_and_the_task_that_they_are_about() {
    let gateway = gateway(400, Some("info")).await;
    let id = gateway.create("videos", &video(PROMPT, "veo3")).await;
    gateway.ended("videos", &id).await;
    let log = gateway.stderr();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |target: &'static str| {
        lines.iter().filter(move |line| line["target"].as_str().unwrap().starts_with(target))
    };
    assert!(of("filmgate::access").all(|line| line["request_id"].is_string()), "{log}");
    let about_it: Vec<&Value> = of("tasks::").filter(|line| line["task_id"] == id.as_str()).collect();
    let messages: Vec<&str> = about_it.iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(messages.contains(&"the upstream refused the task"), "{log}");
    assert!(messages.contains(&"task ended"), "{log}");
    assert!(about_it.iter().all(|line| line.get("span").is_none() && line.get("spans").is_none()), "{log}");
}
