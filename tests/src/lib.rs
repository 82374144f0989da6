//! The harness of the end-to-end stories: the real binary and the real sandbox, each as a process of its own, spoken to
//! over sockets. The stories are in `tests/tests/`, one file for each theme.
//!
//! Every story has its own folders and ports, so all of them may run at the same time. Processes end with the value
//! that stands for them; what they printed is shown when a story fails. Nothing is built here: the binary is the one
//! that `FILMGATE_BIN` names, else the one beside the tests.

pub mod balancer;
pub mod begun;
pub mod client;
pub mod config;
pub mod crowd;
pub mod event_stream;
pub mod figures;
mod gateway;
pub mod history;
pub mod house;
pub mod listener;
pub mod media;
pub mod metrics;
pub mod nameserver;
pub mod netns;
pub mod otlp;
mod process;
mod prometheus;
pub mod psql;
mod redis;
mod sandbox;
pub mod secrets;
pub mod signature;
pub mod tool;
mod wait;

pub use client::{Client, Reply};
pub use gateway::{Gateway, Options};
pub use process::{Finished, Process};
pub use prometheus::{Found, Prometheus};
pub use redis::Redis;
pub use sandbox::{Ledger, SandboxOptions, SandboxProcess};
pub use wait::{DEADLINE, eventually, within};
