//! The only way out. Every connection that filmgate opens is dialled here, under egress rules, deadlines and size caps.

mod dial;
mod download;
mod egress;
mod send;

pub use download::{Bounds, DownloadError, Downloaded};
pub use send::{SendError, Settings, Upstream};
