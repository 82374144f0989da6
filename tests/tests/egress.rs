//! What the operator says of calls to where others want them.

use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tests::{Gateway, Process, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A gateway on the embedded sandbox, with that section, that tries callbacks once.
fn config(egress: &Value) -> Value {
    json!({
        "sandbox": { "embed": true },
        "egress": egress,
        "callbacks": { "tries_max": 1, "allow_http": true },
    })
}

fn task(listener: &str) -> Value {
    json!({ "prompt": "a lighthouse", "model": "veo3.1-fast", "notify_hook": listener })
}

#[tokio::test]
async fn names_inside_and_authorities_of_the_operator_s_own_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = json!({ "cert_file": certificate, "key_file": key });
    let listening = json!({ "sandbox": { "embed": true }, "server": { "tls": tls } });
    let listener = Gateway::with_config(listening).await;
    let url = format!("{}/hook", listener.url().replacen("127.0.0.1", "localhost", 1));

    let inside = json!(["127.0.0.1", "::1"]);
    let names = json!({ "allow": inside, "allow_names": ["localhost"], "ca_file": certificate });
    let gateway = Gateway::with_config(config(&names)).await;
    gateway.create("videos", &task(&url)).await;
    // It is no receiver of callbacks; that it could say so shows that the way to it is open.
    let told = eventually("the listener has answered", async || dead(&gateway).await).await;
    assert!(told.contains("status 404"), "{told}");

    let stranger = json!({ "allow": inside, "allow_names": ["localhost"] });
    let gateway = Gateway::with_config(config(&stranger)).await;
    gateway.create("videos", &task(&url)).await;
    let told = eventually("the listener is not trusted", async || dead(&gateway).await).await;
    assert!(told.contains("certificate"), "{told}");

    let gateway = Gateway::with_config(config(&json!({ "allow": inside }))).await;
    let refused = gateway.client().post("/v2/videos/generations", task(&url).to_string()).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

/// The message that is not sent any more, with its error.
async fn dead(gateway: &Gateway) -> Option<String> {
    let mut command = Process::command();
    let listed = Process::run(command.args(["deliveries", "list", "--data"]).arg(gateway.data())).await;
    listed.stdout.lines().find(|line| line.starts_with("msg_")).map(str::to_owned)
}

#[tokio::test]
async fn the_operator_s_proxy_is_asked_for_the_address() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let egress = json!({ "allow": ["127.77.0.0/16"], "proxy": url });
    let gateway = Gateway::with_config(config(&egress)).await;
    gateway.create("videos", &task("http://127.77.0.1:8080/hook")).await;
    let (mut stream, _peer) = proxy.accept().await.unwrap();
    let mut head = [0; 37];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&head), "CONNECT 127.77.0.1:8080 HTTP/1.1\r\nHos");
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
    eventually("the message has failed", async || dead(&gateway).await).await;
}

#[tokio::test]
async fn authorities_that_are_none_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (file, authorities) = (folder.path().join("config.yaml"), folder.path().join("ca.pem"));
    std::fs::write(&authorities, "no certificate").unwrap();
    std::fs::write(&file, json!({ "egress": { "ca_file": authorities } }).to_string()).unwrap();
    let mut command = Process::command();
    let finished = Process::run(
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .arg("--config")
            .arg(&file),
    )
    .await;
    assert!(!finished.status.success());
    assert!(finished.stderr.contains("egress.ca_file"), "{}", finished.stderr);
}
