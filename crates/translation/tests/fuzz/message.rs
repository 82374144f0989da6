//! One message, whichever way it goes: what a decoder is given.

use std::fmt;

use ::bytes::Bytes;
use domain::{Call, Reply};
use http::{HeaderMap, StatusCode};
use translation::{Endpoint, PathParams};

/// A call to an endpoint, or a reply; each uses what it has.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Of a reply.
    pub(crate) status: StatusCode,
    /// Of a call's path.
    pub(crate) params: PathParams,
    /// Of a call.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Message {
    /// As a call to `endpoint`. Decoders read the parameters, not the path.
    pub(crate) fn call(&self, endpoint: &Endpoint) -> Call {
        let mut call =
            Call::get(endpoint.path).with_method(endpoint.method.clone()).with_query(self.query.clone());
        call.headers = self.headers.clone();
        call.body = self.body.clone();
        call
    }

    /// As a reply.
    pub(crate) fn reply(&self) -> Reply {
        Reply { status: self.status, headers: self.headers.clone(), body: self.body.clone() }
    }

    /// The bytes that somebody sent.
    pub(crate) fn size(&self) -> usize {
        let params: usize = self.params.0.iter().map(|(_, value)| value.len()).sum();
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        params + self.query.len() + headers + self.body.len()
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status {}", self.status.as_u16())?;
        for (name, value) in &self.params.0 {
            writeln!(f, "param {name} = {value:?}")?;
        }
        writeln!(f, "query {:?}", self.query)?;
        for (name, value) in &self.headers {
            writeln!(f, "header {name}: {}", value.as_bytes().escape_ascii())?;
        }
        write!(f, "body {}", self.body.escape_ascii())
    }
}
