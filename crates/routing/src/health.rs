//! How an account does: when it is left alone, and when it is tried again.

use std::time::Duration;

/// When accounts are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthSettings {
    /// Failures within the window that eject an account.
    pub failures_max: u32,
    /// How long a failure counts.
    pub window: Duration,
    /// How long an ejected account is left alone at first; doubles with each ejection in a row.
    pub eject_for: Duration,
    /// The longest that an account is left alone.
    pub eject_for_max: Duration,
    /// Submissions at one time that find out whether an ejected account works again.
    pub probes_max: u32,
    /// Of a hundred candidates for a request, how many may be ejected at one time; the others are tried last.
    pub ejected_percent_max: u8,
    /// How long an account is left alone that refused our credential or has no money.
    pub out_for: Duration,
    /// From an account's recovery until it gets its whole share of the work again.
    pub slow_start: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window: Duration::from_secs(30),
            eject_for: Duration::from_secs(30),
            eject_for_max: Duration::from_secs(600),
            probes_max: 1,
            ejected_percent_max: 50,
            out_for: Duration::from_secs(300),
            slow_start: Duration::from_secs(60),
        }
    }
}
