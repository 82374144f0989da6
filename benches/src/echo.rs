//! The yardstick: a bare hyper server that reads a body and answers with fixed JSON. It parses nothing, checks nothing
//! and stores nothing.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// As long as the gateway's own answer to a create.
const ANSWER: &[u8] = br#"{"task_id":"019a0000-0000-7000-8000-000000000000"}"#;

/// Serves for ever on a free loopback port; tells the port through `ready`.
pub async fn serve(ready: impl FnOnce(u16)) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready(listener.local_addr()?.port());
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(answer);
            let _client_gone = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _broken_off = request.into_body().collect().await;
    Ok(Response::new(Full::new(Bytes::from_static(ANSWER))))
}
