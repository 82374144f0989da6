//! The only way in: accept loop, connections, tower layers, generic handlers, admin listener.
//!
//! [`serve`] answers clients, [`admin::serve`] the operator. The order of the layers, and the reason for each, stands
//! in `stack.rs`. Nothing here knows an API by name: paths, shapes and statuses come from the registry of dialects.

pub mod admin;
mod body;
mod connection;
mod context;
mod draining;
mod event_stream;
mod gateway;
mod handlers;
mod layers;
mod metrics;
mod percent;
mod room;
mod routes;
mod server;
mod settings;
mod stack;
#[cfg(test)]
mod testing;
pub mod tls;

pub use draining::Draining;
pub use gateway::{Gateway, StartError, serve};
pub use settings::Settings;
