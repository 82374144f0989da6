//! Tasks that crash whoever takes a step with them. After a few crashes in a row no step is taken with such a task any
//! more, until the operator pardons it or its deadline passes; its client sees it in progress meanwhile.

use std::time::Duration;

use domain::{TaskEvent, TaskState};
use store::Claim;

use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::{clock, collect};

/// Whether no step is to be taken with a claimed task.
pub(crate) fn holds(shared: &Shared, claim: &Claim) -> bool {
    claim.crashes >= shared.settings.crashes_max && !failpoints::removed("quarantine")
}

/// Whether one more crash would put a claimed task aside. Such tasks are worked on one after another, so that the next
/// crash is laid on the one that caused it.
pub(crate) fn suspects(shared: &Shared, claim: &Claim) -> bool {
    let last_chance = shared.settings.crashes_max.saturating_sub(1).max(1);
    claim.crashes >= last_chance && !holds(shared, claim)
}

/// Lets the task be until its deadline, then ends it. No provider's code runs here: it may be what crashes.
pub(crate) async fn keep(mut held: Held<'_>) -> Result<(), StepError> {
    let now = clock::now();
    if now < held.task.deadline_at {
        tracing::error!(
            task_id = %held.task.id,
            crashes = held.crashes,
            "a task has crashed its worker again and again; it is in quarantine until you release it or its deadline passes"
        );
        let left = held.task.deadline_at.since(now);
        return held.set_aside(left).await;
    }
    match &held.task.state {
        TaskState::Collecting { .. } => return collect::give_up(held).await,
        TaskState::Submitting { .. } => {
            let reason = "each process that went on with it ended".to_owned();
            held.apply(TaskEvent::SubmitUnknown { reason })?;
        }
        _ => {}
    }
    held.apply(TaskEvent::DeadlinePassed)?;
    held.done(Duration::ZERO).await
}
