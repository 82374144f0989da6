//! Copies of results.

use std::time::Duration;

use domain::with_sources;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tracing::Instrument as _;
use url::Url;

use crate::Upstream;
use crate::body::CallBody;
use crate::named::MEDIA;
use crate::traced;

/// Redirects followed for one result; each hop is vetted anew.
const REDIRECTS_MAX: usize = 5;
/// How many of the first bytes are handed back, enough to tell a media type.
const HEAD_BYTES: usize = 16;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// How many bytes.
    pub bytes: u64,
    /// The first bytes, at most 16.
    pub head: Vec<u8>,
    /// What the server says it is, without parameters; empty if it says nothing.
    pub content_type: String,
}

/// Why a result could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The URL is not one that may be fetched.
    #[error("the URL may not be fetched: {0}")]
    Url(String),
    /// The server did not deliver.
    #[error("the server did not deliver: {0}")]
    Server(String),
    /// The result is larger than allowed.
    #[error("the result has more than {0} bytes")]
    TooLarge(u64),
    /// The copy could not be written.
    #[error("writing the copy failed")]
    Write(#[source] std::io::Error),
    /// It took too long.
    #[error("not copied within {0:?}")]
    Timeout(Duration),
}

impl DownloadError {
    /// Which of them it is.
    fn name(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Server(_) => "server",
            Self::TooLarge(_) => "too_large",
            Self::Write(_) => "write",
            Self::Timeout(_) => "timeout",
        }
    }
}

/// What bounds one copy.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest result.
    pub bytes_max: u64,
    /// From resolving to the last byte.
    pub timeout: Duration,
}

/// What is copied, and from where.
#[derive(Debug, Clone)]
pub struct Fetch<'a> {
    /// Its URL.
    pub url: &'a str,
    /// The base URL of the account that it comes from; empty if it comes from none. That host was chosen by the operator
    /// and may be anywhere; every other host must have public addresses only.
    pub account_url: &'a str,
    /// What proves to the account's own host that we may read it. No other host is shown it.
    pub credentials: HeaderMap,
    /// Its bounds.
    pub bounds: Bounds,
}

impl Upstream {
    /// Copies what a URL serves into `sink`.
    pub async fn download(
        &self,
        fetch: &Fetch<'_>,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Downloaded, DownloadError> {
        let Bounds { bytes_max, timeout } = fetch.bounds;
        let span = traced::span(&Method::GET, &fetch.url.parse().unwrap_or_default());
        let copying = async {
            let response = self.follow(fetch).await?;
            copy(response, bytes_max, sink).await
        };
        let copied = tokio::time::timeout(timeout, copying.instrument(span.clone())).await;
        let copied = copied.unwrap_or(Err(DownloadError::Timeout(timeout)));
        traced::note(&span, copied.as_ref().map(|_copy| StatusCode::OK).map_err(DownloadError::name));
        copied
    }

    async fn follow(&self, fetch: &Fetch<'_>) -> Result<Response<Incoming>, DownloadError> {
        let account = Url::parse(fetch.account_url).map(|url| url.origin());
        let is_account = |url: &Url| account.as_ref().is_ok_and(|account| *account == url.origin());
        let mut url = match Url::parse(fetch.url) {
            Ok(url) if is_account(&url) => url,
            _ => self.guard.read(fetch.url, MEDIA).map_err(refused)?,
        };
        for _hop in 0..=REDIRECTS_MAX {
            let trusted = is_account(&url);
            let client = if trusted { &self.kept } else { &self.guarded };
            let mut request = Request::get(url.as_str())
                .body(empty())
                .map_err(|error| DownloadError::Url(error.to_string()))?;
            if trusted {
                request.headers_mut().extend(fetch.credentials.clone());
            }
            let response =
                client.request(request).await.map_err(|error| DownloadError::Server(with_sources(&error)))?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                status if status.is_redirection() => {
                    let location = location(&response)?;
                    url = match url.join(location) {
                        Ok(url) if is_account(&url) => url,
                        _ => self.guard.follow(&url, location).map_err(refused)?,
                    };
                }
                status => return Err(DownloadError::Server(format!("status {status}"))),
            }
        }
        Err(DownloadError::Server("too many redirects".to_owned()))
    }
}

fn empty() -> CallBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn refused(reason: &str) -> DownloadError {
    DownloadError::Url(reason.to_owned())
}

fn location(response: &Response<Incoming>) -> Result<&str, DownloadError> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.ok_or_else(|| DownloadError::Server("a redirect without a target".to_owned()))
}

async fn copy(
    response: Response<Incoming>,
    bytes_max: u64,
    sink: &mut (impl AsyncWrite + Unpin),
) -> Result<Downloaded, DownloadError> {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    let content_type = content_type.trim().to_ascii_lowercase();
    let mut body = response.into_body();
    let mut downloaded = Downloaded { bytes: 0, head: Vec::new(), content_type };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| DownloadError::Server(with_sources(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        downloaded.bytes += data.len() as u64;
        if downloaded.bytes > bytes_max {
            return Err(DownloadError::TooLarge(bytes_max));
        }
        let missing = HEAD_BYTES - downloaded.head.len();
        downloaded.head.extend(data.iter().take(missing));
        sink.write_all(&data).await.map_err(DownloadError::Write)?;
    }
    Ok(downloaded)
}
