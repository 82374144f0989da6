//! What changes with time about a candidate. Whoever asks for a plan says it; the plan reads no clock.

use std::time::Duration;

use domain::Timestamp;

/// How a candidate is at the moment of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Whether its account takes submissions.
    pub standing: Standing,
    /// The part of its usual work that its account should get, from 0 to 1: less than 1 after it has recovered.
    pub share: f64,
    /// Whether its account has no room.
    pub is_full: bool,
    /// How long it has lately taken from a submission to the results; absent if nobody knows.
    pub time_to_result: Option<Duration>,
    /// Why it cannot express the request; absent if it can, or if that is found out later.
    pub cannot: Option<String>,
}

impl Default for Condition {
    /// Well, with room, and nothing known of its speed.
    fn default() -> Self {
        Self { standing: Standing::Ready, share: 1.0, is_full: false, time_to_result: None, cannot: None }
    }
}

/// Whether an account takes submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ready,
    /// It has failed often, and one submission may find out whether it works again.
    Probe,
    /// It has failed often, or its probe is under way.
    Ejected {
        /// When it may be probed; when to look again, if it is being probed.
        until: Timestamp,
    },
    /// It refused us.
    Out {
        /// Why.
        reason: OutReason,
        /// When it is asked again.
        until: Timestamp,
    },
    /// It asked us to wait.
    Paused {
        /// For how long.
        until: Timestamp,
    },
    /// The operator wants it to take no more.
    Drained,
}

/// Why an account refused us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutReason {
    /// Its credential is wrong or may not do this (401, 403).
    Credential,
    /// It has no money left (402).
    Money,
}

impl OutReason {
    /// As it stands in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Money => "money",
        }
    }
}
