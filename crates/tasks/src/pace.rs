//! How often an upstream is asked about one task.

use std::time::Duration;

use domain::Pace;

use crate::clock;
use crate::held::Held;

/// For a provider that is not in the registry any more, so that its tasks are still looked at now and then.
const DEFAULT_PACE: Pace = Pace {
    first: Duration::from_secs(5),
    shortest: Duration::from_secs(2),
    longest: Duration::from_secs(30),
};

/// The account's own pace, else the provider's.
pub(crate) fn of(held: &Held<'_>) -> Pace {
    let Some(attempt) = held.task.attempt() else { return DEFAULT_PACE };
    let account = held.shared.account(&attempt.plan);
    let provider = || translation::provider(&attempt.plan.provider).map(|provider| provider.pace());
    account.and_then(|account| account.pace).or_else(provider).unwrap_or(DEFAULT_PACE)
}

/// How long until the next poll.
pub(crate) fn next_poll(held: &Held<'_>) -> Duration {
    let accepted = held.task.started_at().unwrap_or(held.task.created_at);
    of(held).next(accepted, clock::now(), fastrand::f64())
}
