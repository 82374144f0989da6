//! What measurements share: a load generator, the processes under load, and what they cost.
//!
//! Machines are shared and noisy, so figures are only comparable within one run: subjects take turns, and medians and
//! ratios are reported. Nothing here asserts a time.

pub mod echo;
pub mod fsync;
pub mod load;
pub mod process;
pub mod report;
