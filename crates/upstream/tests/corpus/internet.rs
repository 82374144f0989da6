//! What is at the other end of every connection: one listener for all addresses, which notes who was called.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::{Authority, Subject};

/// A server is never the one that gives up first.
const PATIENCE: Duration = Duration::from_secs(60);
const TLS_HANDSHAKE: u8 = 0x16;

/// One connection that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The address that was dialled.
    pub(crate) dialled: SocketAddr,
    pub(crate) from: SocketAddr,
    /// The head of the request, if there was one.
    pub(crate) head: Option<String>,
}

/// How the server at one address behaves.
#[derive(Clone)]
pub(crate) enum Manner {
    /// As it should, but with these certificates.
    Tls(Arc<ServerConfig>),
    /// Answers the first bytes with these, whatever they are.
    Bytes(Vec<u8>),
    /// Takes what comes and says nothing.
    Silent,
    /// Opens a way to whom it is asked for (CONNECT).
    Proxy,
}

pub(crate) struct Internet {
    seen: Mutex<Vec<Seen>>,
    manners: Mutex<HashMap<IpAddr, Manner>>,
    /// Whole answers, by path.
    answers: Mutex<HashMap<String, String>>,
    pub(crate) authority: Authority,
}

impl Internet {
    /// Listens on all addresses at `ports`; the port that it got, of the first.
    pub(crate) fn start(ports: &[u16]) -> (Arc<Self>, u16) {
        let internet = Arc::new(Self {
            seen: Mutex::default(),
            manners: Mutex::default(),
            answers: Mutex::default(),
            authority: Authority::new(),
        });
        let listeners: Vec<TcpListener> =
            ports.iter().map(|port| TcpListener::bind(("::", *port)).unwrap()).collect();
        let first = listeners[0].local_addr().unwrap().port();
        for listener in listeners {
            let internet = Arc::clone(&internet);
            std::thread::spawn(move || internet.accept(&listener));
        }
        (internet, first)
    }

    /// From now on, the server at `address` behaves so.
    pub(crate) fn behave(&self, address: IpAddr, manner: Manner) {
        self.manners.lock().unwrap().insert(address, manner);
    }

    /// From now on, `path` is answered with `answer`, whoever is asked.
    pub(crate) fn answer(&self, path: &str, answer: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer.to_owned());
    }

    /// All connections up to now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let (dialled, from) =
                (canonical(stream.local_addr().unwrap()), canonical(stream.peer_addr().unwrap()));
            let at = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(Seen { dialled, from, head: None });
                seen.len() - 1
            };
            let internet = Arc::clone(self);
            std::thread::spawn(move || {
                // Whoever hangs up is judged by the other end.
                let _broken_off = internet.serve(stream, dialled.ip(), at);
            });
        }
    }

    fn serve(&self, mut stream: TcpStream, address: IpAddr, at: usize) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let manner = self.manners.lock().unwrap().get(&address).cloned();
        match manner {
            Some(Manner::Silent) => io::copy(&mut stream, &mut io::sink()).map(drop),
            Some(Manner::Bytes(bytes)) => {
                stream.read_exact(&mut [0])?;
                stream.write_all(&bytes)?;
                io::copy(&mut stream, &mut io::sink()).map(drop)
            }
            Some(Manner::Proxy) => self.open(stream, at),
            Some(Manner::Tls(config)) => self.talk(tls(stream, |_name| config)?, at),
            None => {
                let mut first = [0];
                stream.peek(&mut first)?;
                if first[0] != TLS_HANDSHAKE {
                    return self.talk(stream, at);
                }
                let subject = |name: Option<String>| name.map_or(Subject::Address(address), Subject::Name);
                let config = |name| self.authority.server(subject(name), |_params| {});
                self.talk(tls(stream, config)?, at)
            }
        }
    }

    /// One request and its answer.
    fn talk(&self, mut stream: impl Read + Write, at: usize) -> io::Result<()> {
        let head = self.read_head(&mut stream, at)?;
        let path = head.split(' ').nth(1).unwrap_or_default();
        let answer = self.answers.lock().unwrap().get(path).cloned();
        let answer = answer.unwrap_or_else(|| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned());
        stream.write_all(answer.as_bytes())?;
        stream.flush()
    }

    /// One request for a connection, and what goes over it.
    fn open(&self, mut stream: TcpStream, at: usize) -> io::Result<()> {
        let head = self.read_head(&mut stream, at)?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let onward = TcpStream::connect(target)?;
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (mut to, mut back) = (onward.try_clone()?, stream.try_clone()?);
        std::thread::spawn(move || io::copy(&mut stream, &mut to));
        io::copy(&mut { onward }, &mut back).map(drop)
    }

    fn read_head(&self, stream: &mut impl Read, at: usize) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        self.seen.lock().unwrap()[at].head = Some(head.clone());
        Ok(head)
    }
}

/// The handshake, with what `config` makes of the name that the client asks for.
fn tls(
    mut stream: TcpStream,
    config: impl FnOnce(Option<String>) -> Arc<ServerConfig>,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        acceptor.read_tls(&mut stream)?;
        if let Some(accepted) = acceptor.accept().map_err(|(error, _alert)| io::Error::other(error))? {
            break accepted;
        }
    };
    let name = accepted.client_hello().server_name().map(str::to_owned);
    let connection =
        accepted.into_connection(config(name)).map_err(|(error, _alert)| io::Error::other(error))?;
    Ok(StreamOwned::new(connection, stream))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
