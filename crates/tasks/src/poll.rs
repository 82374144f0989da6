//! Asks an upstream how an accepted task stands. Safe to repeat, so a fault here only costs time.

use std::time::Duration;

use domain::{AttemptOutcome, Task, TaskEvent, TaskState};
use translation::{PollTarget, Progress, Results};

use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::{SAID, cancel, clock, collect, failover, health, pace, spans};

/// Polls slow down by this factor while an upstream gives no clear answer.
const UNCLEAR_SLOWDOWN: u32 = 2;
/// Calls of one poll, counting those to where the upstream says the rest is told.
pub(crate) const CALLS_MAX: u32 = 3;
/// How long to wait for the operator to bring back an account that the config no longer has.
const MISSING_ACCOUNT_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Asks how the task stands, and does what follows.
pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let Some(progress) = ask(held.shared, &held.task).await else {
        tracing::warn!("the account that has the task is not configured any more");
        return held.put_back(MISSING_ACCOUNT_RETRY_AFTER).await;
    };
    let collecting = matches!(held.task.state, TaskState::Collecting { .. });
    if is_first_progress(&held.task, &progress) {
        held.shared.metrics.first_progress(&held.task);
    }
    match progress {
        Progress::Finished(results) => collect::finish(held, results).await,
        Progress::Running { percent } if !collecting => {
            let wait = pace::next_poll(&held);
            held.apply(TaskEvent::Progressed { percent })?;
            held.done(wait).await
        }
        Progress::Failed(failure) if !collecting && held.cancel_requested => {
            cancel::stopped(held, &failure).await
        }
        Progress::Failed(failure) if !collecting => {
            tracing::info!(kind = failure.kind.name(), "the upstream failed");
            tracing::debug!(target: SAID, reason = %failure, "what it said");
            let is_by_its_account = is_by_its_account(&held);
            held.apply(TaskEvent::AttemptFailed { reason: failure.to_string() })?;
            if !is_by_its_account {
                // The one that has the task may still be at work, so nobody else must begin.
                return held.fail(failure).await;
            }
            health::failed(held.shared, &held.task, &failure);
            failover::try_again(held, failure).await
        }
        Progress::Unclear { reason } => {
            tracing::info!("the upstream gave no clear answer; asking again");
            tracing::debug!(target: SAID, reason, "what it said");
            unclear(held).await
        }
        // It said "finished" before: the results it named then may still be there. Or it sends us from one address to
        // the next without an end.
        Progress::Running { .. } | Progress::Failed(_) | Progress::Elsewhere(_) => unclear(held).await,
    }
}

/// Asks a last time how a task stands whose deadline has passed, and ends it unless it has succeeded.
pub(crate) async fn last(mut held: Held<'_>) -> Result<(), StepError> {
    match ask(held.shared, &held.task).await {
        Some(Progress::Finished(results)) => return collect::finish(held, results).await,
        // Nothing more comes of it.
        Some(Progress::Failed(failure)) => {
            held.apply(TaskEvent::AttemptFailed { reason: failure.to_string() })?;
        }
        _ => {}
    }
    held.apply(TaskEvent::DeadlinePassed)?;
    held.done(Duration::ZERO).await
}

/// Whether the account that is asked is the very one that the task was submitted with.
fn is_by_its_account(held: &Held<'_>) -> bool {
    let plan = held.task.attempt().map(|attempt| &attempt.plan);
    plan.is_some_and(|plan| held.shared.account(plan).is_some_and(|account| plan.is_by(&account)))
}

/// Whether an upstream that has shown nothing of its work shows some now.
fn is_first_progress(task: &Task, progress: &Progress) -> bool {
    let is_shown = match progress {
        Progress::Running { percent } => percent.is_some_and(|percent| percent > 0),
        Progress::Finished(_) => true,
        _ => false,
    };
    is_shown && matches!(task.state, TaskState::Running { percent: None | Some(0), .. })
}

async fn unclear(held: Held<'_>) -> Result<(), StepError> {
    if matches!(held.task.state, TaskState::Collecting { .. }) {
        return collect::retry_later(held).await;
    }
    let wait = pace::next_poll(&held) * UNCLEAR_SLOWDOWN;
    held.put_back(wait).await
}

/// What the upstream says; `None` if its account is not configured any more.
pub(crate) async fn ask(shared: &Shared, task: &Task) -> Option<Progress> {
    let attempt = task.attempt()?;
    let AttemptOutcome::Accepted { handle, .. } = &attempt.outcome else { return None };
    let account = shared.account(&attempt.plan)?;
    let provider = translation::provider(&attempt.plan.provider)?;
    if handle.is_empty() {
        // It answered with its results, and there is nobody to ask.
        let sources = collect::sources(task);
        let nothing = || Progress::Unclear { reason: "no results of a finished task are known".to_owned() };
        return Some(if sources.is_empty() { nothing() } else { Progress::Finished(Results::Kept(sources)) });
    }
    let target = PollTarget { handle, upstream_model: &attempt.plan.upstream_model, request: &task.request };
    let mut progress = Progress::Elsewhere(Box::new(provider.encode_poll(&target)));
    for _call in 0..CALLS_MAX {
        let Progress::Elsewhere(call) = progress else { break };
        let call = provider.authorize(*call, &account.credential, clock::now());
        let timeout = shared.settings.poll_timeout;
        progress = match shared.upstream.ask(&account.base_url, call, timeout).await {
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
    shared.metrics.polled(account.name.as_str(), label);
    match progress {
        Progress::Running { .. } | Progress::Finished(_) => spans::outcome(label),
        Progress::Failed(_) | Progress::Elsewhere(_) | Progress::Unclear { .. } => spans::failed(label),
    }
    Some(progress)
}
