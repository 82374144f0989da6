//! One connection: resolve, vet every address, dial a vetted one, then TLS; all under one deadline. What the environment
//! says of proxies counts for nothing here.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tower::Service;

use crate::guard::Guard;

/// Who chose the URL that is dialled.
#[derive(Clone)]
pub(crate) enum Chosen {
    /// The operator, in the config: any address, found as every program on this system finds it.
    ByOperator,
    /// An upstream or a client: what the guard lets through.
    ByOthers(Arc<Guard>),
}

/// A connection, before any TLS.
pub(crate) type Connection = TokioIo<TcpStream>;
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
    type Response = MaybeHttpsStream<Connection>;
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
    type Response = Connection;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let chosen = self.chosen.clone();
        Box::pin(async move { dial(&uri, &chosen).await })
    }
}

async fn dial(uri: &Uri, chosen: &Chosen) -> io::Result<Connection> {
    let host = uri.host().ok_or_else(|| io::Error::other("the URL has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let addresses: Vec<SocketAddr> = match chosen {
        Chosen::ByOperator => lookup_host((host, port)).await?.collect(),
        Chosen::ByOthers(guard) => {
            let addresses = guard.addresses(host).await?;
            addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
        }
    };
    failpoints::pass("connecting");
    let mut last = io::Error::other("the host has no address");
    for address in addresses {
        let connected = match chosen {
            Chosen::ByOperator => connect(address).await,
            Chosen::ByOthers(guard) => match &guard.proxy {
                None => connect_exactly(address).await,
                Some(proxy) => tunnel(proxy, address).await,
            },
        };
        match connected {
            Ok(connection) => {
                failpoints::pass("connected");
                return Ok(connection);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

/// Connects to the address that was vetted and to no other: a system may take an address for another one (0.0.0.0 means
/// this machine to many).
async fn connect_exactly(address: SocketAddr) -> io::Result<Connection> {
    let connection = connect(address).await?;
    let peer = connection.inner().peer_addr()?;
    if (peer.ip(), peer.port()) != (address.ip(), address.port()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another address has answered"));
    }
    Ok(connection)
}

/// Asks the operator's proxy for a connection to the address that was vetted.
async fn tunnel(proxy: &Uri, address: SocketAddr) -> io::Result<Connection> {
    let destination = format!("https://{address}").parse().expect("an address is an authority");
    let mut tunnel = Tunnel::new(proxy.clone(), Dial { chosen: Chosen::ByOperator });
    tunnel.call(destination).await.map_err(io::Error::other)
}
