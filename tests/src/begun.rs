//! A request whose body is still to come: its head has been looked at, and what happens now happens in the middle of it.

use http::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::within;

/// A request for a task, up to its body.
pub struct Begun {
    stream: TcpStream,
    body: String,
}

impl Begun {
    /// Sends the head of a POST with that key, and waits until the server asks for the body.
    ///
    /// # Panics
    /// If it does not.
    pub async fn new(url: &str, path: &str, key: &str, body: &Value) -> Self {
        let (address, body) = (url.trim_start_matches("http://"), body.to_string());
        let mut stream = TcpStream::connect(address).await.expect("the server takes connections");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("the server reads the head");
        let mut word = [0; 64];
        let read =
            within("the server's word to go on", stream.read(&mut word)).await.expect("it says something");
        let word = String::from_utf8_lossy(&word[..read]);
        assert!(word.starts_with("HTTP/1.1 100"), "{word:?}");
        Self { stream, body }
    }

    /// Sends the body; the status of the answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn finish(mut self) -> StatusCode {
        self.stream.write_all(self.body.as_bytes()).await.expect("the server reads the body");
        let mut answer = String::new();
        within("an answer", self.stream.read_to_string(&mut answer)).await.expect("the answer is text");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {answer:?}"))
    }
}
