//! What follows a definite "no" of one account: the next account at once, the same ones later, or the end. An unknown
//! outcome never comes here.

use std::time::Duration;

use domain::{Failure, Retry};
use routing::Plan;

use crate::held::{Held, StepError};

/// After a refusal that may pass: the first wait, doubled with each attempt, and its bound.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// The longest wait that an upstream may ask for.
const ASKED_RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Goes on after `failure` with whom `plan` still offers.
pub(crate) async fn try_again(held: Held<'_>, failure: Failure, plan: &Plan) -> Result<(), StepError> {
    let attempts = u32::try_from(held.task.attempts.len()).unwrap_or(u32::MAX);
    let untried = plan.has_untried(&held.task.attempts);
    let spent = attempts >= held.shared.settings.attempts_max;
    match failure.retry {
        Retry::Elsewhere | Retry::Later if untried && !spent => held.done(Duration::ZERO).await,
        Retry::Later if !spent => {
            let doubled = RETRY_AFTER * 2u32.pow(attempts.clamp(1, 16) - 1);
            let asked = failure.retry_after.map(|asked| asked.min(ASKED_RETRY_AFTER_MAX));
            held.done(spread(asked.unwrap_or(doubled.min(RETRY_AFTER_MAX)))).await
        }
        Retry::Never | Retry::Later | Retry::Elsewhere => held.fail(failure).await,
    }
}

/// Up to a quarter longer, so that tasks which were refused together do not come back together.
fn spread(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.25 * fastrand::f64())
}
