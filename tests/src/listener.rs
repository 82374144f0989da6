//! A client's own server, which is told how tasks ended; and a trap, where nobody may ever come.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// The status that it was answered with.
    pub answer: u16,
}

impl Message {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The value of a header; empty if it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it was answered as received.
    pub fn is_received(&self) -> bool {
        (200..300).contains(&self.answer)
    }
}

/// What a listener has heard, before a message, and that message without its answer: the status to answer with.
type Answering = dyn Fn(&[Message], &Message) -> u16 + Send + Sync;

/// A server that remembers all messages.
pub struct Listener {
    url: String,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Listener {
    /// Listens on 127.0.0.1 until the story ends, and answers with one of `statuses` after the other, with the last of
    /// them for ever.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start(statuses: &'static [u16]) -> Self {
        let answer = |heard: &[Message], _: &Message| {
            statuses.get(heard.len()).or(statuses.last()).copied().unwrap_or(200)
        };
        Self::answering(Ipv4Addr::LOCALHOST, Arc::new(answer)).await
    }

    /// Listens on that address, and answers by the path: `/500,500,200` with 500 to the first two messages of an id,
    /// and with 200 from the third on.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn by_path(ip: Ipv4Addr) -> Self {
        let answer = |heard: &[Message], message: &Message| {
            let statuses: Vec<u16> =
                message.path[1..].split(',').filter_map(|status| status.parse().ok()).collect();
            let id = message.header("webhook-id");
            let before = heard.iter().filter(|heard| heard.header("webhook-id") == id).count();
            statuses.get(before).or(statuses.last()).copied().unwrap_or(200)
        };
        Self::answering(ip, Arc::new(answer)).await
    }

    async fn answering(ip: Ipv4Addr, answering: Arc<Answering>) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                let (log, answering) = (Arc::clone(&log), Arc::clone(&answering));
                let hear = service_fn(move |request| hear(Arc::clone(&log), Arc::clone(&answering), request));
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
    answering: Arc<Answering>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut message = Message { path: head.uri.path().to_owned(), headers: head.headers, body, answer: 0 };
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    message.answer = answering(&log, &message);
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(message.answer).unwrap_or_default();
    log.push(message);
    Ok(response)
}

/// Counts who connects to a port on loopback where nobody may.
pub struct Trap {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Trap {
    /// Lies in wait until the story ends.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn set() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { port, connections }
    }

    /// Its URL, by a public name that [`nameserver`](crate::nameserver) leads inside: what can be told from the text of
    /// a URL is refused before it comes to calling.
    pub fn url(&self) -> String {
        format!("http://trap.example:{}/", self.port)
    }

    /// How many came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
