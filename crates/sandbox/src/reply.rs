//! Replies as bytes: JSON, nonsense, and media whole, in part or torn off.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::apis::Answer;
use crate::range::{Part, part_of};

/// The connection is closed in place of (the rest of) a reply.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cut the connection, as it was told to")]
pub(crate) struct Cut;

/// The body of a reply.
pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;
/// A reply, or none.
pub(crate) type Reply = Result<Response<Body>, Cut>;

const NONSENSE: &[u8] = b"\x00\xff<<< this is neither JSON nor media >>>\xfe\x01";

/// JSON with a status; 204 has no body.
pub(crate) fn json(answer: &Answer) -> Response<Body> {
    let body = match answer.status {
        StatusCode::NO_CONTENT => Bytes::new(),
        _ => answer.body.to_string().into(),
    };
    let mut response = bytes(answer.status, "application/json", body);
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A body of that media type.
pub(crate) fn bytes(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// 200 with bytes that are not what the caller expects, whatever the header says.
pub(crate) fn garbage(media_type: &'static str) -> Response<Body> {
    bytes(StatusCode::OK, media_type, Bytes::from_static(NONSENSE))
}

/// A file, or the part of it that a `Range` header asks for.
pub(crate) fn file(media_type: &'static str, file: Bytes, range: Option<&str>) -> Response<Body> {
    let length = file.len();
    let (status, body, content_range) = match part_of(range, length) {
        Part::Whole => (StatusCode::OK, file, None),
        Part::Bytes { first, last } => {
            let content_range = format!("bytes {first}-{last}/{length}");
            (StatusCode::PARTIAL_CONTENT, file.slice(first..=last), Some(content_range))
        }
        Part::Unsatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), Some(format!("bytes */{length}")))
        }
    };
    let mut response = bytes(status, media_type, body);
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(text) = content_range {
        let value = HeaderValue::from_str(&text).expect("digits and signs can stand in a header");
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// A file that breaks off in the middle, though its length was promised.
pub(crate) fn torn_file(media_type: &'static str, file: &Bytes) -> Response<Body> {
    let torn = Torn { half: Some(file.slice(..file.len() / 2)), promised: file.len() as u64 };
    let mut response = Response::new(torn.boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

struct Torn {
    half: Option<Bytes>,
    promised: u64,
}

impl HttpBody for Torn {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(Some(self.half.take().map(Frame::data).ok_or(Cut)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}
