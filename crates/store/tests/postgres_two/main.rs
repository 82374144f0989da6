//! What only shows where several gateways share one database: two stores on one PostgreSQL, at work at one time.
#![expect(clippy::unwrap_used, reason = "a test, where a panic is the report")]

mod accepts;
mod claims;
mod ends;
mod holders;
mod ledger;
mod size;
mod stage;
mod versions;
