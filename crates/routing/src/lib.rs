//! The pure choice: which public models exist, and which accounts can serve a request, in which order.
//! No clock, no I/O: what changes with time comes in as an argument.

mod catalogue;
mod plan;

pub use catalogue::{Catalogue, CatalogueError};
pub use plan::{Candidate, Plan, Route, Router};
