//! A client of event streams (`text/event-stream`), each on a connection of its own.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{Gateway, within};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its data, which is JSON.
    pub data: Value,
}

/// A reply that is a stream, if its status says so.
pub struct EventStream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: String,
}

impl EventStream {
    /// Follows an image task of the usual client, who has seen the event `seen`.
    ///
    /// # Panics
    /// If there is no reply.
    pub async fn open(gateway: &Gateway, id: &str, seen: Option<u64>) -> Self {
        Self::at(gateway, &format!("/v2/images/generations/{id}/events"), seen).await
    }

    /// What the gateway answers at `path`, of which the body has not been read.
    ///
    /// # Panics
    /// If there is no reply.
    pub async fn at(gateway: &Gateway, path: &str, seen: Option<u64>) -> Self {
        let host = gateway.url().trim_start_matches("http://");
        let mut request = Request::get(path)
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Bearer {}", gateway.key()));
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let asking = async {
            let stream = TcpStream::connect(host).await.expect("the gateway listens");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("a reply")
        };
        let (head, body) = within(&format!("the head of {path}"), asking).await.into_parts();
        Self { status: head.status, headers: head.headers, body, unread: String::new() }
    }

    /// The next event; `None` at the end of the stream, an error if it was cut.
    ///
    /// # Panics
    /// If neither comes, or something that is no event of ours.
    pub async fn next(&mut self) -> Result<Option<Event>, hyper::Error> {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let event = read(block);
                self.unread = rest.to_owned();
                if event.is_some() {
                    return Ok(event);
                }
            }
            match within("the next event", self.body.frame()).await {
                None => return Ok(None),
                Some(frame) => {
                    let Ok(data) = frame?.into_data() else { continue };
                    self.unread.push_str(std::str::from_utf8(&data).expect("UTF-8"));
                }
            }
        }
    }

    /// All events to the end of the stream.
    ///
    /// # Panics
    /// If the stream is cut.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await.expect("a stream that is not cut") {
            events.push(event);
        }
        events
    }
}

/// A block of lines as an event; comments and settings are none.
fn read(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = field("data")?;
    Some(Event {
        id: field("id").expect("an id").parse().expect("a number"),
        name: field("event").expect("a name").to_owned(),
        data: serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")),
    })
}
