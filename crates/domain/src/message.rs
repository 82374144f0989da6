//! One HTTP message as plain data, so that codecs need no socket.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::AssetId;

/// A request: from a client to us, or from us to an upstream.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded, starting with `/`. To an upstream it is appended to the account's base URL.
    pub path: String,
    /// The query without `?`, percent-encoded; empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole but for the media that goes into it when it is sent.
    pub body: Bytes,
    /// Stored media that the way out puts into the body; in the order of their places, no two at the same.
    pub media: Vec<MediaSlot>,
}

/// Stored media in a body, so that large media is streamed from where it is kept and no codec holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSlot {
    /// Before which byte of [`Call::body`] it goes.
    pub at: usize,
    /// The media.
    pub asset: AssetId,
    /// In which form.
    pub form: MediaForm,
}

/// How media stands in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaForm {
    /// As it is: in multipart forms.
    Raw,
    /// As padded standard base64: in JSON.
    Base64,
}

impl MediaForm {
    /// How many bytes `bytes` bytes take in this form.
    pub fn encoded_len(self, bytes: u64) -> u64 {
        match self {
            Self::Raw => bytes,
            Self::Base64 => bytes.div_ceil(3) * 4,
        }
    }
}

impl Call {
    /// A GET without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            media: Vec::new(),
        }
    }

    /// Replaces the method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Adds a secret under `name`, marked so that no log prints it. A secret that cannot stand in a header is left out.
    #[must_use]
    pub fn with_secret(mut self, name: HeaderName, secret: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(secret) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    /// A POST of JSON.
    pub fn post_json(path: impl Into<String>, body: Vec<u8>) -> Self {
        let mut call = Self::get(path);
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.body = body.into();
        call
    }

    /// Adds a query, already percent-encoded.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// Adds `Authorization: Bearer secret`, marked so that no log prints it.
    /// A secret that cannot stand in a header is left out; the upstream then refuses the call.
    #[must_use]
    pub fn with_bearer(self, secret: &str) -> Self {
        self.with_secret(header::AUTHORIZATION, &format!("Bearer {secret}"))
    }
}

/// A response: from an upstream to us, or from us to a client.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

impl Reply {
    /// A reply of JSON.
    pub fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers, body: body.to_string().into() }
    }

    /// Adds a header; a value that cannot stand in a header is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}
