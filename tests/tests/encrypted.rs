//! HTTPS with a certificate of the operator's own, over both versions of HTTP.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use http::{StatusCode, Version};
use rcgen::CertifiedKey;
use serde_json::json;
use tempfile::TempDir;
use tests::config::{config, image};
use tests::{Client, Gateway, SandboxProcess, eventually};

/// Certificate and key as files in a folder of their own, and the certificate.
fn certificate() -> (TempDir, rustls_pki_types::CertificateDer<'static>) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
    std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
    (folder, cert.der().clone())
}

#[tokio::test]
async fn a_task_goes_its_way_over_tls_with_both_versions_of_http() {
    let (folder, certificate) = certificate();
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["server"]["tls"] =
        json!({ "cert_file": folder.path().join("tls.crt"), "key_file": folder.path().join("tls.key") });
    let gateway = Gateway::with_config(config).await;
    assert!(gateway.url().starts_with("https://"), "{}", gateway.url());

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let client = Client::over_tls(gateway.url(), gateway.key(), certificate.clone(), version);
        let created = client.post("/v2/images/generations", image("over tls").to_string()).await;
        assert_eq!((created.status, created.version), (StatusCode::OK, version), "{created:?}");
        let path = format!("/v2/images/generations/{}", created.json()["task_id"].as_str().unwrap());
        let task = eventually("the picture", async || {
            Some(client.get(&path).await.json()).filter(|task| task["status"] == "SUCCESS")
        })
        .await;
        let url = task["data"]["output"].as_str().unwrap();
        assert!(url.starts_with(gateway.url()), "{url}");
        let picture = client.get(url).await;
        assert_eq!((picture.status, picture.version), (StatusCode::OK, version));
        assert_eq!(picture.header("content-type"), "image/png");
    }

    let in_clear = Client::new(&gateway.url().replacen("https", "http", 1), gateway.key());
    let reply = in_clear.try_call(in_clear.post_request("/v2/images/generations", "{}")).await;
    assert!(reply.is_err(), "nothing is served in clear: {reply:?}");
}
