//! Asks an upstream how an accepted task stands. Safe to repeat, so a fault here only costs time.

use std::time::Duration;

use domain::{AttemptOutcome, TaskEvent, TaskState};
use translation::{PollTarget, Progress, Results};

use crate::held::{Held, StepError};
use crate::{cancel, clock, collect, failover, pace};

/// Polls slow down by this factor while an upstream gives no clear answer.
const UNCLEAR_SLOWDOWN: u32 = 2;
/// Calls of one poll, counting those to where the upstream says the rest is told.
const CALLS_MAX: usize = 3;
/// How long to wait for the operator to bring back an account that the config no longer has.
const MISSING_ACCOUNT_RETRY_AFTER: Duration = Duration::from_secs(30);
pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let Some(progress) = ask(&held).await else {
        tracing::warn!(task = %held.task.id, "the account that has the task is not configured any more");
        return held.put_back(MISSING_ACCOUNT_RETRY_AFTER).await;
    };
    let collecting = matches!(held.task.state, TaskState::Collecting { .. });
    match progress {
        Progress::Finished(results) => collect::finish(held, results).await,
        Progress::Running { percent } if !collecting => {
            let wait = pace::next_poll(&held);
            held.apply(TaskEvent::Progressed { percent })?;
            held.done(wait).await
        }
        Progress::Failed(_) if !collecting && held.cancel_requested => cancel::end(held).await,
        Progress::Failed(failure) if !collecting => {
            tracing::info!(task = %held.task.id, kind = failure.kind.name(), "the upstream failed");
            tracing::debug!(task = %held.task.id, reason = %failure, "what it said");
            held.apply(TaskEvent::AttemptFailed { reason: failure.to_string() })?;
            let plan = held.shared.router.plan_for(&held.task);
            failover::try_again(held, failure, &plan).await
        }
        Progress::Unclear { reason } => {
            tracing::info!(task = %held.task.id, "the upstream gave no clear answer; asking again");
            tracing::debug!(task = %held.task.id, reason, "what it said");
            unclear(held).await
        }
        // It said "finished" before: the results it named then may still be there. Or it sends us from one address to
        // the next without an end.
        Progress::Running { .. } | Progress::Failed(_) | Progress::Elsewhere(_) => unclear(held).await,
    }
}

async fn unclear(held: Held<'_>) -> Result<(), StepError> {
    if matches!(held.task.state, TaskState::Collecting { .. }) {
        return collect::retry_later(held).await;
    }
    let wait = pace::next_poll(&held) * UNCLEAR_SLOWDOWN;
    held.put_back(wait).await
}

/// What the upstream says; `None` if its account is not configured any more.
async fn ask(held: &Held<'_>) -> Option<Progress> {
    let attempt = held.task.attempt()?;
    let AttemptOutcome::Accepted { handle, .. } = &attempt.outcome else { return None };
    let account = held.shared.accounts.get(&attempt.plan.account)?;
    let provider = translation::provider(&attempt.plan.provider)?;
    if handle.is_empty() {
        // It answered with its results, and there is nobody to ask.
        let sources = collect::sources(held);
        let nothing = || Progress::Unclear { reason: "no results of a finished task are known".to_owned() };
        return Some(if sources.is_empty() { nothing() } else { Progress::Finished(Results::Kept(sources)) });
    }
    let target =
        PollTarget { handle, upstream_model: &attempt.plan.upstream_model, request: &held.task.request };
    let mut progress = Progress::Elsewhere(Box::new(provider.encode_poll(&target)));
    for _call in 0..CALLS_MAX {
        let Progress::Elsewhere(call) = progress else { break };
        let call = provider.authorize(*call, &account.credential, clock::now());
        let timeout = held.shared.settings.poll_timeout;
        progress = match held.shared.upstream.ask(&account.base_url, call, timeout).await {
            Ok(reply) => provider.decode_poll(&target, &reply),
            Err(error) => Progress::Unclear { reason: error.to_string() },
        };
    }
    let label = match &progress {
        Progress::Running { .. } => "running",
        Progress::Finished(_) => "finished",
        Progress::Elsewhere(_) => "endless",
        Progress::Failed(_) => "failed",
        Progress::Unclear { .. } => "unclear",
    };
    failpoints::pass("poll_answered");
    held.shared.metrics.polled(account.name.as_str(), label);
    Some(progress)
}
