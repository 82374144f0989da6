//! The section on accounts that fail.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MINUTE;
use crate::text::{self, DurationText};

/// When accounts are left alone, and how they come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Failures within the window after which an account is left alone.
    #[schemars(range(min = 1))]
    pub failures_max: u32,
    /// How long a failure counts.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub window: Duration,
    /// How long an account is left alone at first; doubles each time that it fails again when it is tried.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub eject_for: Duration,
    /// The longest that an account is left alone because it fails.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub eject_for_max: Duration,
    /// Submits at one time that find out whether an account works again.
    #[schemars(range(min = 1))]
    pub probes_max: u32,
    /// Of a hundred accounts for a request, how many may be left alone at one time; the others are tried last. 0: an
    /// account that fails is never left alone, only tried last.
    #[schemars(range(max = 100))]
    pub ejected_percent_max: u8,
    /// How long an account is left alone that refuses our credential (401, 403) or has no money (402).
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub out_for: Duration,
    /// From the return of an account until it gets its whole share of the work again. 0s: at once.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub slow_start: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window: MINUTE / 2,
            eject_for: MINUTE / 2,
            eject_for_max: MINUTE * 10,
            probes_max: 1,
            ejected_percent_max: 50,
            out_for: MINUTE * 5,
            slow_start: MINUTE,
        }
    }
}
