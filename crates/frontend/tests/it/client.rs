//! Clients: polite ones over hyper, rude ones over the bare socket.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{KEY, within};

/// Where tasks are made.
pub(crate) const CREATE: &str = "/v2/videos/generations";

/// The protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A request of the usual client.
pub(crate) fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    keyed(KEY, method, path, body)
}

/// A request of the client with that key.
pub(crate) fn keyed(key: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "gateway.example")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Full::new(body.into()))
        .unwrap()
}

/// The body of a good request for a task.
pub(crate) fn task_body() -> String {
    json!({ "model": "veo3.1", "prompt": "a cat" }).to_string()
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Said {
    ask_over(Http::One, address, request).await
}

/// The same in either protocol.
pub(crate) async fn ask_over(http: Http, address: SocketAddr, request: Request<Full<Bytes>>) -> Said {
    ask_on(http, TcpStream::connect(address).await.unwrap(), request).await
}

/// The same on a connection that exists.
pub(crate) async fn ask_on<IO>(http: Http, io: IO, mut request: Request<Full<Bytes>>) -> Said
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(io);
    within(async {
        let response = match http {
            Http::One => {
                let (mut sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
            Http::Two => {
                let path = request.uri().path_and_query().unwrap().clone();
                *request.uri_mut() = format!("http://gateway.example{path}").parse().unwrap();
                request.headers_mut().remove(header::HOST);
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
        };
        said(response).await
    })
    .await
}

/// A task of the usual client: its id.
pub(crate) async fn create(address: SocketAddr) -> String {
    let said = ask(address, request("POST", CREATE, task_body())).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    said.json()["task_id"].as_str().unwrap().to_owned()
}

/// A connection that has sent these bytes.
pub(crate) async fn rude(address: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream
}

/// All that comes until the gateway closes the connection, in whatever way.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset_is_a_way_to_close = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes, up to and with `end`.
pub(crate) async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = within(stream.read_u8()).await.unwrap_or_else(|_| panic!("{end:?} after {text:?}"));
        text.push(char::from(byte));
    }
    text
}

async fn said(response: Response<hyper::body::Incoming>) -> Said {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Said { status: head.status, headers: head.headers, body }
}
