//! The section on changes of the file while the gateway runs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{self, DurationText};

/// How changes of this file are noticed. What cannot be used changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// From one look at the file to the next, at least 10ms. 0s: nobody looks, only SIGHUP and the operator make the gateway
    /// read it again.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub watch_every: Duration,
}

impl Default for Reload {
    fn default() -> Self {
        Self { watch_every: Duration::from_secs(2) }
    }
}
