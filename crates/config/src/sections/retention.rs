//! The section on how long things are kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HOUR;
use crate::text::{self, DurationText};

/// How long things are kept. The ledger is kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Tasks, from their end. One stays longer while an idempotency key leads to it, a callback waits to be delivered, its
    /// provider is watched, or a result of it can be read.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub tasks: Duration,
    /// Results, from when they were stored; their URLs end then. Changes count for results that are stored afterwards.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub results: Duration,
    /// Between two sweeps, which delete what is past its time.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub sweep_every: Duration,
    /// Tasks, keys or files that are deleted at a time; a sweep has as many such batches as it needs.
    #[schemars(range(min = 1))]
    pub batch_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { tasks: HOUR * 24 * 90, results: HOUR * 24 * 30, sweep_every: HOUR, batch_max: 500 }
    }
}
