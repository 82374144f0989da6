//! Bodies: of replies, and of requests that nobody reads.

mod discard;
mod reply;

pub(crate) use discard::{Discard, Discarding, Wanted};
pub(crate) use reply::ReplyBody;

/// What leaves: a reply with its body.
pub(crate) type Answer = http::Response<ReplyBody>;
