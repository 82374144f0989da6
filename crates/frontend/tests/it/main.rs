//! The way in over real sockets: a real task service on a real store in a directory that vanishes with the test.

mod admin;
mod api;
mod assets;
mod bodies;
mod client;
mod cors;
mod drain;
mod hostile;
mod house;
mod overload;
mod slow;
mod tls;
