//! What must not be forgotten: tasks, attempts, assets, client keys.
//!
//! [`TaskStore`] is the seam. Its embedded back end is SQLite; [`conformance`] is the suite that each back end passes.

mod contract;

pub use contract::*;
