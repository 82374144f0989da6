//! The layers, one file and one reason each. Their order stands in `stack.rs`.

use std::future::Future;
use std::pin::Pin;

pub(crate) mod access_log;
pub(crate) mod authenticate;
pub(crate) mod body_cap;
pub(crate) mod client_limits;
pub(crate) mod cors;
pub(crate) mod deadline;
pub(crate) mod discard;
pub(crate) mod in_flight;
pub(crate) mod limit_headers;
pub(crate) mod match_dialect;
pub(crate) mod measure;
pub(crate) mod request_id;
pub(crate) mod rescue;
pub(crate) mod whole_body;

/// What the layers' services return.
pub(crate) type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;
