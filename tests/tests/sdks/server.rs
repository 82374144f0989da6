//! What clients are pointed at.

use std::path::PathBuf;

use serde_json::json;
use tests::config::{account, config, of};
use tests::{Client, Gateway, SandboxOptions, SandboxProcess};

use crate::certificate::Certificate;
use crate::door::Door;

/// The only key that the sandbox takes from a client of its own.
const SANDBOX_KEY: &str = "a-client-of-the-sandbox";

/// A gateway before a sandbox, or a sandbox alone.
pub(crate) struct Server {
    sandbox: SandboxProcess,
    gateway: Option<Gateway>,
    tls: Option<Tls>,
    base_url: String,
}

/// What a server needs that speaks TLS.
struct Tls {
    certificate: Certificate,
    /// Before a sandbox alone; a gateway does it by itself.
    _door: Option<Door>,
}

impl Server {
    /// A gateway.
    pub(crate) async fn gateway() -> Self {
        let sandbox = SandboxProcess::start().await;
        let gateway = Gateway::with_config(config(&sandbox.url())).await;
        let base_url = gateway.url().to_owned();
        Self { sandbox, gateway: Some(gateway), tls: None, base_url }
    }

    /// A gateway whose only upstream is the service whose API is called `api`, for `models`: names of ours and its own.
    /// A request that waits for its task is answered after `wait` at the latest.
    pub(crate) async fn gateway_for(api: &str, models: &[(&str, &str)], wait: &str) -> Self {
        let sandbox = SandboxProcess::start().await;
        let base_url = format!("{}/{api}", sandbox.url());
        let route = |(model, upstream_model): &(&str, &str)| json!({ "model": model, "accounts": [{ "account": api, "upstream_model": upstream_model }] });
        let mut config = of(vec![account(api, api, &base_url)], models.iter().map(route).collect());
        config["server"]["wait_timeout"] = json!(wait);
        let gateway = Gateway::with_config(config).await;
        let base_url = gateway.url().to_owned();
        Self { sandbox, gateway: Some(gateway), tls: None, base_url }
    }

    /// A gateway that speaks TLS.
    pub(crate) async fn gateway_with_tls() -> Self {
        let sandbox = SandboxProcess::start().await;
        let certificate = Certificate::new();
        let mut config = config(&sandbox.url());
        config["server"]["tls"] =
            json!({ "cert_file": certificate.file(), "key_file": certificate.key_file() });
        let gateway = Gateway::with_config(config).await;
        let base_url = gateway.url().replacen("127.0.0.1", "localhost", 1);
        Self { sandbox, gateway: Some(gateway), tls: Some(Tls { certificate, _door: None }), base_url }
    }

    /// The sandbox as the service whose API is called `api`.
    pub(crate) async fn sandbox(api: &str) -> Self {
        let sandbox = sandbox().await;
        let base_url = format!("{}/{api}", sandbox.url());
        Self { sandbox, gateway: None, tls: None, base_url }
    }

    /// The same behind TLS.
    pub(crate) async fn sandbox_with_tls(api: &str) -> Self {
        let sandbox = sandbox().await;
        let certificate = Certificate::new();
        let behind = sandbox.url().trim_start_matches("http://").parse().unwrap();
        let door = Door::open(&certificate, behind).await;
        let base_url = format!("https://{}/{api}", door.host());
        Self { sandbox, gateway: None, tls: Some(Tls { certificate, _door: Some(door) }), base_url }
    }

    /// What a client's own address is replaced by.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The key of a client.
    pub(crate) fn key(&self) -> &'static str {
        self.gateway.as_ref().map_or(SANDBOX_KEY, Gateway::key)
    }

    /// The certificate that a client has to trust.
    ///
    /// # Panics
    /// For a server without TLS.
    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.tls.as_ref().unwrap().certificate.file()
    }

    /// The bytes at a URL that it gave out, which needs no key.
    pub(crate) async fn media(&self, url: &str) -> Vec<u8> {
        let client = match &self.tls {
            Some(Tls { certificate, .. }) => {
                Client::over_tls("", "", certificate.der(), http::Version::HTTP_11)
            }
            None => Client::new("", ""),
        };
        let reply = client.without_key().get(url).await;
        assert_eq!(reply.status, http::StatusCode::OK, "{url}: {reply:?}");
        reply.body.to_vec()
    }

    /// How often the sandbox accepted a task of that prompt.
    pub(crate) async fn accepted(&self, prompt: &str) -> usize {
        self.sandbox.ledger().await.accepted(prompt)
    }
}

async fn sandbox() -> SandboxProcess {
    let key = Some(SANDBOX_KEY.to_owned());
    SandboxProcess::with(SandboxOptions { key, ..SandboxOptions::default() }).await
}
