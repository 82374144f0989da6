//! Addresses that upstreams call: known only to them, and no way for strangers to make the gateway hold bytes.

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::filled;
use tests::config::{account, of, route, video};
use tests::{Gateway, SandboxProcess, eventually};

#[tokio::test]
async fn a_provider_is_told_where_to_call_and_strangers_find_nothing_there() {
    let sandbox = SandboxProcess::start().await;
    let account = account("evolink", "evolink", &format!("{}/evolink", sandbox.url()));
    let mut config = of(vec![account], vec![route("veo3.1-fast", &["evolink"])]);
    config["server"]["public_url"] = json!("https://gateway.example");
    let gateway = Gateway::with_config(config).await;
    let client = gateway.client().without_key();
    let task = "0190a6f5-8a3b-7c21-9d10-5f2c6b7e8a90.1.00112233445566778899aabbccddeeff";
    for path in [format!("/callbacks/{task}"), "/callbacks/x".to_owned()] {
        let reply = client.call(filled(client.request(Method::POST, &path), "{}".to_owned())).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let large = "x".repeat((1 << 20) + 1);
    let reply = client.call(filled(client.request(Method::POST, "/callbacks/x"), large)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let reply = client.call(filled(client.request(Method::GET, "/callbacks/x"), String::new())).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    // An account that is told where to call serves tasks as before: polls decide.
    gateway.create("videos", &video("a lighthouse", "veo3.1-fast")).await;
    eventually("the submission", async || {
        (sandbox.ledger().await.accepted("a lighthouse") == 1).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("filmgate_upstream_callbacks_total", &[("outcome", "unknown")]).await, 2.0);
}
