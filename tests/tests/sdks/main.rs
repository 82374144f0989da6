//! Clients as their makers publish them, unchanged: pointed at the gateway, and at the sandbox, so that our codecs and our
//! upstream cannot share one misreading.
//!
//! To add one: its exact version goes into a list of `tests/sdks`, a script beside the lists says what it does and
//! prints what it saw as JSON, and a test here reads that.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod certificate;
mod door;
mod event_source;
mod fal;
mod google;
mod openai;
mod replicate;
mod script;
mod server;
mod webhooks;
