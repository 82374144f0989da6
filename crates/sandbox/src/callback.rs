//! Tells those whom a submit names how its task ended, as long as the server runs: a restart forgets it, as it may with any
//! upstream.
//!
//! Only this machine is told (`http://127.0.0.1...`, `http://localhost...`): a server that calls whatever address it is given is
//! a way into other people's networks. Unsigned, because what the signatures are made with is the providers' own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::desk::{Desk, now_ms};
use crate::task::Task;

/// The waits before each try.
const WAITS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long a try may take.
const TRY_MAX: Duration = Duration::from_secs(10);

/// Sends `message` to `url` when the task has ended, until it is taken or nobody took it in time.
pub(crate) fn schedule(desk: &Arc<Desk>, task: &Arc<Task>, url: &str, message: Bytes) {
    let Some(listener) = Listener::parse(url) else {
        desk.counters.count_call(format!("{}.callback_out_of_reach", task.api));
        tracing::debug!(url, "a listener is not on this machine");
        return;
    };
    let (desk, task) = (Arc::clone(desk), Arc::clone(task));
    tokio::spawn(async move {
        tokio::select! {
            () = tell(&desk, &task, &listener, message) => {}
            () = desk.stopped() => {}
        }
    });
}

async fn tell(desk: &Desk, task: &Task, listener: &Listener, message: Bytes) {
    tokio::time::sleep(Duration::from_millis(task.finished_at_ms().saturating_sub(now_ms()))).await;
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        if desk.is_stopped(&task.id) || desk.is_deleted(&task.id) {
            return;
        }
        desk.counters.count_call(format!("{}.callback", task.api));
        match tokio::time::timeout(TRY_MAX, listener.post(message.clone())).await {
            Ok(Ok(status)) if status.is_success() => return,
            outcome => tracing::debug!(id = task.id, ?outcome, "a listener did not take a message"),
        }
    }
}

/// Where a message goes.
struct Listener {
    /// Host and port, as a connection takes them.
    address: String,
    host: String,
    /// Path and query.
    target: String,
}

impl Listener {
    /// `None` if it is not a plain address on this machine.
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (authority, host) = (uri.authority()?, uri.host()?);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let is_plain = uri.scheme_str() == Some("http");
        (is_here && is_plain).then(|| Self {
            address: format!("{host}:{}", authority.port_u16().unwrap_or(80)),
            host: authority.as_str().to_owned(),
            target: uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        })
    }

    async fn post(&self, message: Bytes) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(&self.target)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(message))?;
        tokio::select! {
            reply = sender.send_request(request) => Ok(reply?.status()),
            ended = connection => Err(ended.err().map_or_else(|| "hung up".into(), Into::into)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_told() {
        let address = |url: &str| Listener::parse(url).map(|listener| listener.address);
        assert_eq!(address("http://127.0.0.1:8080/callbacks/t?a=b").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(address("http://localhost/x").as_deref(), Some("localhost:80"));
        assert_eq!(address("http://[::1]:9/x").as_deref(), Some("[::1]:9"));
        assert_eq!(Listener::parse("http://127.0.0.1:1/a?b=c").unwrap().target, "/a?b=c");
        for url in [
            "https://127.0.0.1/x",
            "http://10.0.0.1/x",
            "http://169.254.169.254/latest",
            "http://example.com/x",
            "http://localhost.example.com/x",
            "127.0.0.1/x",
            "ftp://127.0.0.1/x",
            "",
        ] {
            assert_eq!(address(url), None, "{url}");
        }
    }
}
