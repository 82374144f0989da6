//! A small HTTP client: HTTP/1 or HTTP/2, in clear or over TLS. It reads every reply to its end.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version, header, request};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::{DEADLINE, secrets, within};

/// What can go wrong with a call: no connection, no whole reply, no reply in time.
pub type CallError = Box<dyn std::error::Error + Send + Sync>;

/// A client of one server, with at most one key. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    base_url: String,
    key: Option<String>,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A reply, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The version that was spoken.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// A client of HTTP/1 for the server at `base_url`, with `key` as its bearer key.
    pub fn new(base_url: &str, key: &str) -> Self {
        let connector = connector(RootCertStore::empty()).enable_http1().build();
        Self::over(connector, false, base_url, key)
    }

    /// A client of HTTP/2 without TLS, by prior knowledge.
    pub fn http2(base_url: &str, key: &str) -> Self {
        let connector = connector(RootCertStore::empty()).enable_http2().build();
        Self::over(connector, true, base_url, key)
    }

    /// A client that speaks TLS and trusts `certificate` alone; `version` is the only one that it offers.
    ///
    /// # Panics
    /// If the certificate is none, or for a version other than 1.1 and 2.
    pub fn over_tls(
        base_url: &str,
        key: &str,
        certificate: CertificateDer<'static>,
        version: Version,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a certificate that was just made is one");
        let connector = connector(roots);
        let connector = match version {
            Version::HTTP_11 => connector.enable_http1().build(),
            Version::HTTP_2 => connector.enable_http2().build(),
            other => panic!("no client speaks {other:?}"),
        };
        Self::over(connector, version == Version::HTTP_2, base_url, key)
    }

    fn over(connector: HttpsConnector<HttpConnector>, http2_only: bool, base_url: &str, key: &str) -> Self {
        let pool = Pool::builder(TokioExecutor::new()).http2_only(http2_only).build(connector);
        Self { base_url: base_url.to_owned(), key: Some(key.to_owned()), pool }
    }

    /// The server that it is a client of.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The same with another key.
    pub fn with_key(&self, key: &str) -> Self {
        secrets::note(key);
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same without a key.
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// A request to be filled; `target` is a path of the server or a whole URL.
    pub fn request(&self, method: Method, target: &str) -> request::Builder {
        let whole = target.starts_with("http://") || target.starts_with("https://");
        let uri = if whole { target.to_owned() } else { format!("{}{target}", self.base_url) };
        let request = Request::builder().method(method).uri(uri);
        match &self.key {
            Some(key) => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
            None => request,
        }
    }

    /// One call.
    ///
    /// # Errors
    /// If no whole reply comes before the deadline.
    pub async fn try_call(&self, request: Request<Full<Bytes>>) -> Result<Reply, CallError> {
        let calling = async {
            let (head, body) = self.pool.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Reply { status: head.status, version: head.version, headers: head.headers, body })
        };
        tokio::time::timeout(DEADLINE, calling).await?
    }

    /// One call.
    ///
    /// # Panics
    /// If no whole reply comes before the deadline.
    pub async fn call(&self, request: Request<Full<Bytes>>) -> Reply {
        let what = format!("{} {}", request.method(), request.uri());
        let reply = within(&what, self.try_call(request)).await;
        reply.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// A GET.
    ///
    /// # Panics
    /// As [`Self::call`].
    pub async fn get(&self, target: &str) -> Reply {
        self.call(filled(self.request(Method::GET, target), Bytes::new())).await
    }

    /// A POST of any bytes, said to be JSON.
    ///
    /// # Panics
    /// As [`Self::call`].
    pub async fn post(&self, target: &str, body: impl Into<Bytes>) -> Reply {
        self.call(self.post_request(target, body)).await
    }

    /// The request of [`Self::post`].
    pub fn post_request(&self, target: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let request = self.request(Method::POST, target).header(header::CONTENT_TYPE, "application/json");
        filled(request, body)
    }
}

/// `request` with a body.
///
/// # Panics
/// If a part of the request is malformed.
pub fn filled(request: request::Builder, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let body = body.into();
    secrets::note_prompts(&body);
    request.body(Full::new(body)).expect("the parts of the request are well-formed")
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header; empty if it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn connector(roots: RootCertStore) -> HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols1> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new().with_tls_config(config).https_or_http()
}
