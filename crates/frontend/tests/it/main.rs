//! The way in over real sockets: a real task service on a real store in a directory that vanishes with the test.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands, in its helpers, too")]

mod admin;
mod api;
mod assets;
mod bodies;
mod client;
mod cors;
mod drain;
mod events;
mod hostile;
mod house;
mod overload;
mod route;
mod slow;
mod tls;
mod waits;
mod wrong_keys;
