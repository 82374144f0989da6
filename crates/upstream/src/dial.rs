//! One connection: resolve, vet every address, dial a vetted one, then TLS; all under one deadline.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::Network;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tower::Service;

use crate::egress::is_public;

/// Who chose the URL that is dialled.
#[derive(Debug, Clone)]
pub(crate) enum Chosen {
    /// The operator, in the config: any address.
    ByOperator,
    /// An upstream or a client: public addresses, and those that the operator allows besides.
    ByOthers(Arc<[Network]>),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Connects with TLS where the scheme says so. An error from here means that no byte of a request has left.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dial>,
    timeout: Duration,
}

impl Connector {
    /// `timeout` covers resolving, connecting and the TLS handshake together.
    pub(crate) fn new(tls: ClientConfig, chosen: Chosen, timeout: Duration) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dial { chosen });
        Self { https, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_elapsed) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

#[derive(Clone)]
pub(crate) struct Dial {
    chosen: Chosen,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let chosen = self.chosen.clone();
        Box::pin(async move { dial(&uri, &chosen).await.map(TokioIo::new) })
    }
}

async fn dial(uri: &Uri, chosen: &Chosen) -> io::Result<TcpStream> {
    let host = uri.host().ok_or_else(|| io::Error::other("the URL has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    vet(&addresses, chosen)?;
    failpoints::pass("connecting");
    let mut last = io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                failpoints::pass("connected");
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One refused address refuses the whole name: a mixed answer is how a guard is walked around.
fn vet(addresses: &[SocketAddr], chosen: &Chosen) -> io::Result<()> {
    let Chosen::ByOthers(allowed) = chosen else { return Ok(()) };
    if failpoints::removed("dial_check") {
        return Ok(());
    }
    let may = |ip| is_public(ip) || allowed.iter().any(|network| network.contains(ip));
    if !addresses.iter().all(|address| may(address.ip())) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the address is not public"));
    }
    Ok(())
}
