//! An upstream that answers as a story says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one call. `{host}` in a body stands for the upstream's own URL.
pub(crate) enum Answer {
    Http {
        status: u16,
        content_type: &'static str,
        /// One more.
        header: Option<(&'static str, &'static str)>,
        body: Vec<u8>,
    },
    /// Close the connection without a word.
    Close,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Http { status, content_type: "application/json", header: None, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn json_with(status: u16, header: (&'static str, &'static str), body: &str) -> Self {
        let body = body.as_bytes().to_vec();
        Self::Http { status, content_type: "application/json", header: Some(header), body }
    }

    pub(crate) fn html(body: &str) -> Self {
        Self::Http { status: 200, content_type: "text/html", header: None, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn bytes(body: &[u8]) -> Self {
        Self::Http {
            status: 200,
            content_type: "application/octet-stream",
            header: None,
            body: body.to_vec(),
        }
    }

    pub(crate) fn finished() -> Self {
        Self::json(200, r#"{"status":"SUCCESS","progress":"100%","data":{"output":"{host}/clip.mp4"}}"#)
    }
}

pub(crate) struct Upstream {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Starts one that answers the n-th call of a kind (`POST /path`; n from 1) with `answer(kind, n)`.
    pub(crate) async fn start(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        let (answer, host, log) = (Arc::new(answer), url.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                let (answer, host, log) = (Arc::clone(&answer), host.clone(), Arc::clone(&log));
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let Some((call, request)) = read_call(&mut stream).await else { return };
                    noted.lock().unwrap().push(request);
                    let seen = {
                        let mut log = log.lock().unwrap();
                        log.push(call.clone());
                        log.iter().filter(|known| **known == call).count()
                    };
                    respond(&mut stream, answer(&call, seen), &host).await;
                });
            }
        });
        Self { url, calls, requests }
    }

    /// How many calls of that kind there were.
    pub(crate) fn seen(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|known| *known == call).count()
    }

    /// Whether a call had that text in it.
    pub(crate) fn was_sent(&self, text: &str) -> bool {
        self.requests.lock().unwrap().iter().any(|request| request.contains(text))
    }

    /// The calls of that kind, whole and in lower case.
    pub(crate) fn requests(&self, call: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let of_kind = requests.iter().filter(|request| request.starts_with(&format!("{call} ")));
        of_kind.map(|request| request.to_lowercase()).collect()
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The first call with that in it: method, path and query.
    pub(crate) fn first(&self, part: &str) -> Option<String> {
        self.calls.lock().unwrap().iter().find(|known| known.contains(part)).cloned()
    }

    /// Where the first call of that kind stands among all calls.
    pub(crate) fn position(&self, call: &str) -> Option<usize> {
        self.calls.lock().unwrap().iter().position(|known| known == call)
    }
}

/// Reads one request with its body; its method and path, and all of it.
async fn read_call(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let call = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
            return Some((call, text));
        }
    }
}

async fn respond(stream: &mut TcpStream, answer: Answer, host: &str) {
    let Answer::Http { status, content_type, header, body } = answer else { return };
    let body = match String::from_utf8(body) {
        Ok(text) => text.replace("{host}", host).into_bytes(),
        Err(binary) => binary.into_bytes(),
    };
    let header = header.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Story\r\n{header}content-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _client_gone = stream.write_all(&[head.into_bytes(), body].concat()).await;
}
