//! What follows a definite "no" of one account: the next account at once, the same ones later, or the end. An unknown
//! outcome never comes here.

use std::time::Duration;

use domain::{AccountName, Failure, FailureKind, Retry, Task};
use routing::{Plan, Rejection};

use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::{clock, submit};

/// After a refusal that may pass: the first wait, doubled with each attempt, and its bound.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long a task waits at most before it looks whether another account is back.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(30);
/// The longest wait that an upstream may ask for.
const ASKED_RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Goes on after `failure` with whom the plan still offers, now that this is known.
pub(crate) async fn try_again(held: Held<'_>, failure: Failure) -> Result<(), StepError> {
    let plan = submit::plan(held.shared, &held.task);
    if is_spent(held.shared, &held.task, &plan) {
        return held.fail(failure).await;
    }
    let retry = match failure.kind {
        FailureKind::ContentPolicy if plan.policy.policy_failover => Retry::Elsewhere,
        _ => failure.retry,
    };
    let attempts = u32::try_from(held.task.attempts.len()).unwrap_or(u32::MAX);
    match retry {
        Retry::Elsewhere | Retry::Later if plan.has_untried(&held.task.attempts) => {
            if let Some(last) = held.task.attempt() {
                held.shared.metrics.accounts.failed_over(&last.plan.account, &failure.kind.name());
            }
            held.done(Duration::ZERO).await
        }
        Retry::Later => {
            let doubled = RETRY_AFTER * 2u32.pow(attempts.clamp(1, 16) - 1);
            let asked = failure.retry_after.map(|asked| asked.min(ASKED_RETRY_AFTER_MAX));
            held.done(spread(asked.unwrap_or(doubled.min(RETRY_AFTER_MAX)))).await
        }
        Retry::Elsewhere => match back_in(&held.task, &plan) {
            Some(wait) => held.done(spread(wait.min(LOOK_AFTER_MAX))).await,
            None => held.fail(failure).await,
        },
        Retry::Never => held.fail(failure).await,
    }
}

/// Whether the task has had all its attempts.
pub(crate) fn is_spent(shared: &Shared, task: &Task, plan: &Plan) -> bool {
    let attempts = u32::try_from(task.attempts.len()).unwrap_or(u32::MAX);
    let of_all = shared.settings.attempts_max;
    attempts >= plan.policy.attempts_max.map_or(of_all, |of_route| of_route.min(of_all))
}

/// How long until an account that the task has not tried takes submissions again: one that fails, or that asked us to
/// wait. What an operator has to do something about is not waited for by who has been refused elsewhere.
fn back_in(task: &Task, plan: &Plan) -> Option<Duration> {
    let tried = |account: &AccountName| task.attempts.iter().any(|attempt| attempt.plan.account == *account);
    let passes = plan.rejected.iter().filter(|rejected| !tried(&rejected.candidate.account));
    let until = passes.filter_map(|rejected| match rejected.why {
        Rejection::Ejected { until } | Rejection::Paused { until } => Some(until),
        _ => None,
    });
    until.min().map(|until| until.since(clock::now()))
}

/// Up to a quarter longer, so that tasks which were refused together do not come back together.
fn spread(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.25 * fastrand::f64())
}
