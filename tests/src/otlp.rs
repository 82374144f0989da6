//! A collector of traces, and a proxy in front of an upstream that notes the headers of calls.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{CallError, filled};
use crate::{Client, Process};

/// What the collector wants to be shown.
pub const KEY: &str = "the-key-of-the-collector";
/// The variable from which a gateway takes it.
pub const KEY_VARIABLE: &str = "COLLECTOR_KEY";

/// A running collector, which decodes what it is sent with the messages that OpenTelemetry publishes for Python.
pub struct Collector {
    url: String,
    process: Process,
}

impl Collector {
    /// One that listens until the story ends.
    ///
    /// # Panics
    /// If its Python is not there (`cargo xtask setup`), or it does not start.
    pub async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("otlp/collector.py");
        let mut process = Process::start("collector", Command::new(python()).arg(script).arg(KEY));
        let url = process.said(|lines| lines.first().cloned()).await;
        Self { url, process }
    }

    /// The section of a config by which a gateway sends all traces here.
    pub fn config(&self) -> Value {
        let key = json!({ "name": "x-collector-key", "value": format!("env:{KEY_VARIABLE}") });
        json!({ "endpoint": self.url, "headers": [key], "resource": { "deployment.environment.name": "a story" } })
    }

    /// The spans that came so far.
    ///
    /// # Panics
    /// If the collector has printed something else.
    pub fn spans(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        lines.lines().skip(1).map(read).collect()
    }
}

fn python() -> PathBuf {
    let sdks = std::env::var_os("FILMGATE_SDKS").map(PathBuf::from);
    let sdks = sdks.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sdks"));
    let python = sdks.join("otlp/python/bin/python");
    assert!(python.exists(), "{} is not there; `cargo xtask setup` installs it", python.display());
    python
}

/// A proxy in front of an upstream.
pub struct Overheard {
    url: String,
    calls: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Overheard {
    /// One that passes on to the server of `upstream` until the story ends.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn in_front_of(upstream: Client) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                let (upstream, noted) = (upstream.clone(), Arc::clone(&noted));
                let pass = service_fn(move |request: Request<Incoming>| {
                    let call =
                        (format!("{} {}", request.method(), request.uri().path()), request.headers().clone());
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                    pass_on(upstream.clone(), request)
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), pass));
            }
        });
        Self { url, calls }
    }

    /// Where gateways reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Method and path of each call so far, with its headers.
    pub fn calls(&self) -> Vec<(String, HeaderMap)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass_on(
    upstream: Client,
    request: Request<Incoming>,
) -> Result<Response<Full<bytes::Bytes>>, CallError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut passed = upstream.without_key().request(head.method, target);
    for name in [http::header::AUTHORIZATION, http::header::CONTENT_TYPE] {
        if let Some(value) = head.headers.get(&name) {
            passed = passed.header(name, value);
        }
    }
    let reply = upstream.try_call(filled(passed, body)).await?;
    let mut answer = Response::new(Full::new(reply.body));
    *answer.status_mut() = reply.status;
    if let Some(said) = reply.headers.get(http::header::CONTENT_TYPE) {
        answer.headers_mut().insert(http::header::CONTENT_TYPE, said.clone());
    }
    Ok(answer)
}
