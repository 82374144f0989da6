//! The same over TLS.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{CREATE, Http, ask_on, request, rude, task_body, until_closed};
use crate::house::{House, settings};

/// A certificate for `localhost`, as the gateway loads it, and a client's trust in it.
fn certificate() -> (ServerConfig, RootCertStore) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    (frontend::tls::load(&certificate, &key).unwrap(), roots)
}

async fn connect(house: &House, roots: RootCertStore, protocol: &[u8]) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(house.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let (config, roots) = certificate();
    let house = House::with(frontend::Settings { tls: Some(Arc::new(config)), ..settings() }).await;
    for (http, protocol) in [(Http::One, &b"http/1.1"[..]), (Http::Two, b"h2")] {
        let stream = connect(&house, roots.clone(), protocol).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        let said = Box::pin(ask_on(http, stream, request("POST", CREATE, task_body()))).await;
        assert_eq!(said.status, StatusCode::OK, "{said:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let (config, _) = certificate();
    let bounds = frontend::Settings {
        tls: Some(Arc::new(config)),
        first_byte_timeout: Duration::from_millis(50),
        ..settings()
    };
    let house = House::with(bounds).await;
    // Nothing; and the beginning of a ClientHello.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        assert_eq!(until_closed(&mut rude(house.address, sent).await).await, "", "{sent:?}");
    }
}

#[tokio::test]
async fn a_client_that_falls_silent_after_the_handshake_is_given_up() {
    let (config, roots) = certificate();
    let bounds = frontend::Settings {
        tls: Some(Arc::new(config)),
        first_byte_timeout: Duration::from_secs(1),
        ..settings()
    };
    let house = House::with(bounds).await;
    let silent = connect(&house, roots, b"http/1.1").await;
    house.until_metric("filmgate_http_connections", 0).await;
    drop(silent);
}
