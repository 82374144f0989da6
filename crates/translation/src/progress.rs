//! The percentage that a poll shows: what the upstream says, else an estimate from time.

use std::time::Duration;

use domain::{AttemptOutcome, Task, TaskState, Timestamp};

/// The estimate says half of [`ESTIMATE_MAX`] after this time.
const HALF_TIME: Duration = Duration::from_secs(90);
/// The estimate never says more.
const ESTIMATE_MAX: u8 = 95;
/// What the estimate may have said before an upstream's first own word; that word must not make a bar go back.
const ESTIMATE_BEFORE_FIRST_WORD: u8 = 15;
/// Only an ended task is at 100.
const UNFINISHED_MAX: u8 = 99;

/// 0 to 100 for `task` at the moment `now`. It rises as long as the task goes on with the same attempt.
pub(crate) fn percent(task: &Task, now: Timestamp) -> u8 {
    match &task.state {
        state if state.is_terminal() => 100,
        TaskState::Collecting { .. } => UNFINISHED_MAX,
        TaskState::Running { percent: Some(percent), .. } => {
            (*percent).max(estimate(task, now).min(ESTIMATE_BEFORE_FIRST_WORD)).min(UNFINISHED_MAX)
        }
        _ => estimate(task, now),
    }
}

/// Rises for ever, ever more slowly, from the first submission that may have left.
fn estimate(task: &Task, now: Timestamp) -> u8 {
    let sent = |outcome: &AttemptOutcome| !matches!(outcome, AttemptOutcome::NotSent { .. });
    let Some(first) = task.attempts.iter().find(|attempt| sent(&attempt.outcome)) else { return 0 };
    let age = now.since(first.intended_at).as_millis();
    let estimate = u128::from(ESTIMATE_MAX) * age / (age + HALF_TIME.as_millis());
    u8::try_from(estimate).unwrap_or(ESTIMATE_MAX)
}
