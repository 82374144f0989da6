//! A client's own server, which is told how tasks ended.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::eventually;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    /// The path that was posted to.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

impl Message {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A server that answers every message with the next of some statuses, the last of them for ever, and remembers all.
pub struct Listener {
    url: String,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Listener {
    /// Listens on loopback, until the story ends.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                let log = Arc::clone(&log);
                let hear = service_fn(move |request| hear(Arc::clone(&log), statuses, request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), hear));
            }
        });
        Self { url, heard }
    }

    /// Where it listens, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What came so far.
    pub fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many messages came.
    pub async fn hears(&self, count: usize) -> Vec<Message> {
        eventually(&format!("{count} messages"), async || {
            Some(self.heard()).filter(|heard| heard.len() >= count)
        })
        .await
    }
}

async fn hear(
    log: Arc<Mutex<Vec<Message>>>,
    statuses: &[u16],
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message = Message { path: head.uri.path().to_owned(), headers: head.headers, body };
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let status = statuses.get(log.len()).or(statuses.last()).copied().unwrap_or(200);
    log.push(message);
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}
