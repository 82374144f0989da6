//! Bodies: of replies, and of requests that nobody reads.

mod discard;
mod reply;
mod unfolded;

pub(crate) use discard::{Discard, Discarding, Wanted};
pub(crate) use reply::ReplyBody;
pub(crate) use unfolded::{Making, Unfolded};

/// What leaves: a reply with its body.
pub(crate) type Answer = http::Response<ReplyBody>;
