//! The pure choice: which public models exist, and which accounts can serve a request, in which order.
//! No clock, no I/O: what changes with time comes in as an argument.

mod asked;
mod catalogue;
mod condition;
mod health;
mod order;
mod plan;
mod rejection;
mod route;
mod router;

pub use asked::Asked;
pub use catalogue::{Catalogue, CatalogueError};
pub use condition::{Condition, OutReason, Standing};
pub use health::{AccountHealth, Begun, Change, HealthSettings, Word};
pub use order::seed;
pub use plan::{Plan, Planned, Rank, Reason, Rejected};
pub use rejection::Rejection;
pub use route::{Candidate, Policy, Route};
pub use router::Router;
