//! The body of a request.

use std::time::Duration;

use bytes::Bytes;
use domain::{Failure, FailureKind};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

/// A longer body is not read.
const BYTES_MAX: usize = 64 * 1024;

/// The whole body, if it is short enough and comes in time.
pub(super) async fn whole(body: Incoming, timeout: Duration) -> Result<Bytes, Failure> {
    match tokio::time::timeout(timeout, Limited::new(body, BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("the body may have {BYTES_MAX} bytes");
            Err(Failure::new(FailureKind::BodyTooLarge, text))
        }
        Ok(Err(_broken)) => Err(Failure::invalid("body", "body: it did not come whole")),
        Err(_elapsed) => Err(Failure::new(FailureKind::RequestTimeout, "the body did not come in time")),
    }
}
