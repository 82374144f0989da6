//! The life of a task: accepted by [`TaskService`], submitted, polled and collected by [`Worker`].
//!
//! The service is all that handlers see. A submission never runs inside a handler's future, which is dropped when the
//! client hangs up; it runs in the worker.

mod assets;
mod clock;
mod collect;
mod failover;
mod held;
mod keys;
mod line;
mod live;
mod metrics;
mod pace;
mod poll;
mod service;
mod settings;
mod shared;
mod submit;
mod worker;

pub use assets::{AssetFile, AssetStorage};
pub use keys::{DeclaredKey, Keyring, NewKey, generate_key};
pub use service::TaskService;
pub use settings::Settings;
pub use shared::{Parts, Shared, StartError};
pub use worker::Worker;
