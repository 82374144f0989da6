//! Calls to accounts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Call, Network, Reply, with_sources};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tracing::Instrument as _;

use crate::body::{self, CallBody, Outgoing};
use crate::dial::{Chosen, Connector};
use crate::egress::Egress;
use crate::guard::Guard;
use crate::traced::{self, Propagation};

/// How long a kept connection may idle: shorter than what servers commonly allow, so that polls rarely meet a closed one.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Longer replies are large.
const LARGE_REPLY_BYTES: usize = 4 << 20;
/// Large replies that are read at one time; others wait with what they have.
const LARGE_REPLIES_MAX: usize = 8;
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("filmgate/", env!("CARGO_PKG_VERSION")));

pub(crate) type HttpClient = Client<Connector, CallBody>;

/// Bounds of the way out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Resolving, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// The largest reply to a call; results are downloads and have a bound of their own.
    pub reply_bytes_max: usize,
    /// Idle connections kept for each host.
    pub idle_per_host_max: usize,
    /// Addresses inside that may be dialled even where a client or an upstream chose the URL.
    pub allow: Vec<Network>,
}

/// The way out. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    /// For submissions: every one on a connection of its own, so that a connection which the upstream has just closed
    /// can never leave a submission in doubt.
    pub(crate) fresh: HttpClient,
    /// For calls that are safe to repeat.
    pub(crate) kept: HttpClient,
    /// For URLs that others chose.
    pub(crate) guarded: HttpClient,
    pub(crate) guard: Arc<Guard>,
    pub(crate) propagation: Propagation,
    large_replies: Arc<Semaphore>,
    settings: Settings,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The call surely did not leave: it may be repeated whatever it costs.
    #[error("the call was not sent: {0}")]
    NotSent(String),
    /// The call may have arrived.
    #[error("the call was not answered: {0}")]
    Unanswered(String),
}

impl Upstream {
    /// A way out with the default [`Egress`]: it trusts the usual public certificate authorities.
    pub fn new(settings: Settings) -> Self {
        Self::with_egress(settings, &Egress::default())
    }

    /// URLs that clients and upstreams chose and that were refused since the start, by what was refused.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.guard.refusals()
    }

    /// A way out with what the operator says of URLs that others choose.
    pub fn with_egress(settings: Settings, egress: &Egress) -> Self {
        let tls = tls(&egress.authorities);
        let guard = Arc::new(Guard::new(&settings.allow, egress));
        let client = |chosen, idle_max| {
            let connector = Connector::new(tls.clone(), chosen, settings.connect_timeout);
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_MAX)
                .pool_max_idle_per_host(idle_max)
                .retry_canceled_requests(false)
                .build(connector)
        };
        Self {
            fresh: client(Chosen::ByOperator, 0),
            kept: client(Chosen::ByOperator, settings.idle_per_host_max),
            guarded: client(Chosen::ByOthers(Arc::clone(&guard)), 0),
            guard,
            propagation: Propagation::default(),
            large_replies: Arc::new(Semaphore::new(LARGE_REPLIES_MAX)),
            settings,
        }
    }

    /// The same, telling others in which trace a call is. Without it nobody is told.
    #[must_use]
    pub fn propagating(self, propagation: Propagation) -> Self {
        Self { propagation, ..self }
    }

    /// Sends a call that costs money if it arrives. It is never sent twice by itself.
    pub async fn submit(
        &self,
        base_url: &str,
        call: impl Into<Outgoing>,
        timeout: Duration,
    ) -> Result<Reply, SendError> {
        self.send(&self.fresh, base_url, call.into(), timeout).await
    }

    /// Sends a call that is safe to repeat.
    pub async fn ask(
        &self,
        base_url: &str,
        call: impl Into<Outgoing>,
        timeout: Duration,
    ) -> Result<Reply, SendError> {
        self.send(&self.kept, base_url, call.into(), timeout).await
    }

    async fn send(
        &self,
        client: &HttpClient,
        base_url: &str,
        outgoing: Outgoing,
        timeout: Duration,
    ) -> Result<Reply, SendError> {
        let body = body::body(&outgoing.call, &outgoing.files).await;
        let body = body.map_err(|error| SendError::NotSent(format!("reading media for it: {error}")))?;
        let mut request = request(base_url, outgoing.call, body)?;
        let span = traced::span(request.method(), request.uri());
        if self.propagation.to_accounts {
            traced::tell_account(&span, request.headers_mut());
        }
        let answering = async {
            // hyper's errors do not print the URL, in which some providers want their key.
            let response = client.request(request).await.map_err(|error| {
                let text = with_sources(&error);
                if error.is_connect() { SendError::NotSent(text) } else { SendError::Unanswered(text) }
            })?;
            failpoints::pass("reply_headers");
            let (parts, body) = response.into_parts();
            let body = self.read(body).await.map_err(SendError::Unanswered)?;
            failpoints::pass("reply_read");
            Ok(Reply { status: parts.status, headers: parts.headers, body })
        };
        let answered = tokio::time::timeout(timeout, answering.instrument(span.clone())).await;
        traced::note(&span, outcome(&answered));
        answered
            .unwrap_or_else(|_elapsed| Err(SendError::Unanswered(format!("no answer within {timeout:?}"))))
    }
}

impl Upstream {
    /// The whole of a reply. Small ones are many and cost little; of those that hold results there are only so many in
    /// memory at one time.
    async fn read(&self, mut body: Incoming) -> Result<Bytes, String> {
        let mut read = Vec::new();
        let mut room = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the reply broke off: {}", with_sources(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > self.settings.reply_bytes_max {
                return Err("the reply is too large".to_owned());
            }
            if room.is_none() && read.len() + data.len() > LARGE_REPLY_BYTES {
                room = self.large_replies.acquire().await.ok();
            }
            read.extend_from_slice(&data);
        }
        Ok(read.into())
    }
}

fn outcome(answered: &Result<Result<Reply, SendError>, Elapsed>) -> Result<StatusCode, &'static str> {
    match answered {
        Ok(Ok(reply)) => Ok(reply.status),
        Ok(Err(SendError::NotSent(_))) => Err("not_sent"),
        Ok(Err(SendError::Unanswered(_))) => Err("unanswered"),
        Err(_elapsed) => Err("timeout"),
    }
}

fn request(base_url: &str, call: Call, body: CallBody) -> Result<Request<CallBody>, SendError> {
    let not_sent =
        |error: &dyn std::fmt::Display| SendError::NotSent(format!("the call is malformed: {error}"));
    let mut target = format!("{}{}", base_url.trim_end_matches('/'), call.path);
    if !call.query.is_empty() {
        target.push('?');
        target.push_str(&call.query);
    }
    let uri: Uri = target.parse().map_err(|error| not_sent(&error))?;
    let mut request = Request::new(body);
    *request.method_mut() = call.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = call.headers;
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    Ok(request)
}

/// Trusts the usual authorities, and those of the operator as far as they can be read.
fn tls(authorities: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
