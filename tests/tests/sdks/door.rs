//! TLS for a server that does not speak it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;

/// The first byte of every TLS connection, and of no HTTP request.
const HANDSHAKE: u8 = 22;

/// Takes connections and hands what they say to the server behind. Closed when this is dropped.
pub(crate) struct Door {
    address: SocketAddr,
    porter: JoinHandle<()>,
}

impl Door {
    /// A door before the server at `behind`. It takes connections without TLS, too: a server that knows of no TLS gives
    /// out such addresses of the host by which it was reached.
    pub(crate) async fn open(certificate: &Certificate, behind: SocketAddr) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der()], certificate.key_der())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let porter = tokio::spawn(async move {
            while let Ok((guest, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), guest, behind));
            }
        });
        Self { address, porter }
    }

    /// By this a client reaches it; the certificate is for `localhost`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.porter.abort();
    }
}

async fn pass(acceptor: TlsAcceptor, guest: TcpStream, behind: SocketAddr) {
    let mut first = [0];
    // A connection that breaks is told to the client by its end.
    match guest.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {
            if let Ok(guest) = acceptor.accept(guest).await {
                hand_over(guest, behind).await;
            }
        }
        Ok(1) => hand_over(guest, behind).await,
        _ => {}
    }
}

async fn hand_over(mut guest: impl AsyncRead + AsyncWrite + Unpin, behind: SocketAddr) {
    if let Ok(mut host) = TcpStream::connect(behind).await {
        let _ended = copy_bidirectional(&mut guest, &mut host).await;
    }
}
