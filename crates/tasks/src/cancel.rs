//! Stopping a task that its owner no longer wants. What an upstream works on stops only if the upstream stops it: until
//! it says so the task goes on, and what it makes all the same has been paid for and is delivered.

use std::time::Duration;

use domain::{AttemptOutcome, Failure, TaskEvent};
use translation::PollTarget;

use crate::held::{Held, StepError};
use crate::{clock, poll};

/// Ends a task that no upstream works on.
pub(crate) async fn end(mut held: Held<'_>) -> Result<(), StepError> {
    held.apply(TaskEvent::Cancelled)?;
    held.done(Duration::ZERO).await
}

/// Ends a task whose upstream says that it has stopped or failed: nothing more comes of it.
pub(crate) async fn stopped(mut held: Held<'_>, failure: &Failure) -> Result<(), StepError> {
    held.apply(TaskEvent::AttemptFailed { reason: failure.to_string() })?;
    end(held).await
}

/// Ends a task whose deadline has passed while an upstream works on it. The upstream is asked to stop; what it says last
/// decides.
pub(crate) async fn expire(held: Held<'_>) -> Result<(), StepError> {
    ask(&held).await;
    poll::last(held).await
}

/// Asks the upstream to stop, if its API has a call for that: once, and again after a restart. Polls tell what became of
/// it.
pub(crate) async fn ask(held: &Held<'_>) {
    let Some(attempt) = held.task.attempt() else { return };
    let AttemptOutcome::Accepted { handle, .. } = &attempt.outcome else { return };
    let Some(account) = held.shared.account(&attempt.plan) else { return };
    let Some(provider) = translation::provider(&attempt.plan.provider) else { return };
    let target =
        PollTarget { handle, upstream_model: &attempt.plan.upstream_model, request: &held.task.request };
    let Some(call) = provider.encode_cancel(&target) else { return };
    if held.shared.was_asked_to_stop(&held.task.id) {
        return;
    }
    let call = provider.authorize(call, &account.credential, clock::now());
    let timeout = held.shared.settings.poll_timeout;
    match held.shared.upstream.ask(&account.base_url, call, timeout).await {
        Ok(reply) => {
            tracing::info!(status = %reply.status, "asked the upstream to stop")
        }
        Err(error) => tracing::info!(%error, "the upstream could not be asked to stop"),
    }
}
