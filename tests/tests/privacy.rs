//! What the log does not tell, even when an upstream repeats what it was sent.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use tests::Gateway;
use tests::config::{account, of, route, video};
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

#[tokio::test]
async fn neither_prompts_nor_keys_are_in_the_log() {
    for status in [500, 400, 200] {
        let accounts = vec![account("parrot", "v2", &parrot(status).await)];
        let gateway = Gateway::with_config(of(accounts, vec![route("veo3", &["parrot"])])).await;
        let id = gateway.create("videos", &video(PROMPT, "veo3")).await;
        assert_eq!(gateway.ended("videos", &id).await["status"], "FAILURE");
        let log = gateway.stderr();
        assert!(log.contains(&id), "{status}: the task is in the log: {log}");
        for secret in [PROMPT, gateway.key()] {
            assert!(!log.contains(secret), "{status}: {secret} is in the log: {log}");
        }
    }
}
