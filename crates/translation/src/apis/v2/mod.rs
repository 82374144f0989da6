//! The `/v2/{scope}/generations` contract, both ways: clients speak it to us, and other hosts of it are upstreams.
//!
//! There is no specification but what a family of hosts documents in fragments and what its clients do. Strict is
//! what we send, because clients compare words; lenient is what we take, because they send all sorts of things.

mod dialect;
mod draft;
mod openapi;
mod provider;
mod wait;
mod wire;

pub use openapi::openapi;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct V2;
