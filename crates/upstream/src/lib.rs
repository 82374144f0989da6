//! The only way out. Every connection that filmgate opens is dialled here, under egress rules, deadlines and size caps.

mod body;
mod dial;
mod download;
mod egress;
mod guard;
mod named;
mod notify;
mod refusals;
mod resolve;
mod send;
mod traced;

pub use body::{MediaFile, Outgoing};
pub use download::{Bounds, DownloadError, Downloaded, Fetch};
pub use egress::{Egress, Nat64Prefix, NotANat64Prefix, authorities};
pub use notify::NotAllowed;
pub use send::{SendError, Settings, Upstream};
pub use traced::{Propagation, TRACEPARENT, TRACESTATE};
