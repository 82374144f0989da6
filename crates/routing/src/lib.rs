//! The pure choice: which public models exist, and which accounts can serve a request, in which order.
//! No clock, no I/O: what changes with time comes in as an argument.

mod catalogue;
mod condition;
mod health;
mod order;
mod plan;
mod route;

pub use catalogue::{Catalogue, CatalogueError};
pub use condition::{Condition, OutReason, Standing};
pub use health::{AccountHealth, Begun, Change, HealthSettings, Word};
pub use plan::{Asked, Plan, Planned, Rank, Reason, Rejected, Rejection, Router};
pub use route::{Candidate, Policy, Route};
