//! A claimed task in the hands of one step.

use std::sync::PoisonError;
use std::time::Duration;

use domain::{Failure, IllegalTransition, Task, TaskEvent, TaskId, TaskState};
use store::{Claim, Ending, Next, StoreError};

use crate::shared::Shared;
use crate::{clock, deliveries};

/// Tries of one write while the store does not take it, and the wait before the second; it doubles each time.
const WRITE_TRIES: u32 = 6;
const WRITE_RETRY_AFTER: Duration = Duration::from_millis(100);

/// A claimed task, changed in memory by events and then written.
pub(crate) struct Held<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) task: Task,
    /// Whether its owner wants it to stop.
    pub(crate) cancel_requested: bool,
    epoch: u64,
}

/// Why a step ended without its write. The task stays claimed until its lease runs out, and then goes on from the last
/// state written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("writing task {task} failed")]
    Store {
        task: TaskId,
        #[source]
        source: StoreError,
    },
    #[error("storing a result of task {task} failed")]
    Storage {
        task: TaskId,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

impl<'a> Held<'a> {
    pub(crate) fn new(shared: &'a Shared, claim: Claim) -> Self {
        Self { shared, task: claim.task, cancel_requested: claim.cancel_requested, epoch: claim.epoch }
    }

    /// Applies an event in memory.
    pub(crate) fn apply(&mut self, event: TaskEvent) -> Result<(), StepError> {
        Ok(self.task.apply(event, clock::now())?)
    }

    /// Writes the task and goes on with it under a new lease.
    pub(crate) async fn keep(&mut self, lease: Duration) -> Result<(), StepError> {
        self.write(Next::Keep { lease }).await
    }

    /// Writes the task and lets go of it; it is due again after `after`, unless it has ended.
    pub(crate) async fn done(mut self, after: Duration) -> Result<(), StepError> {
        self.write(Next::Due { after }).await
    }

    /// The task fails for good.
    pub(crate) async fn fail(mut self, failure: Failure) -> Result<(), StepError> {
        self.apply(TaskEvent::Failed { failure })?;
        self.done(Duration::ZERO).await
    }

    /// Lets go of the task without a change; it is due again after `after`.
    pub(crate) async fn put_back(self, after: Duration) -> Result<(), StepError> {
        let claim = (self.task.id.clone(), self.epoch);
        let result = self.shared.store.release(&[claim], after).await;
        result.map_err(|source| StepError::Store { task: self.task.id, source })
    }

    async fn write(&mut self, next: Next) -> Result<(), StepError> {
        // Made once, so that every try of the write stores the same message.
        let end = self.ending();
        let (before, after) = points(&self.task.state);
        failpoints::pass(before);
        match self.write_with_retries(next, end.as_ref()).await {
            Ok(version) => self.task.version = version,
            Err(source) => {
                self.shared.live.forget(&self.task.id);
                return Err(StepError::Store { task: self.task.id.clone(), source });
            }
        }
        failpoints::pass(after);
        self.shared.live.show(&self.task);
        self.shared.watchers.changed(&self.task);
        let live = self.task.attempt().is_some_and(|attempt| attempt.outcome.is_live());
        if self.task.state.is_terminal() || !live {
            self.shared.give_slot_back(&self.task.id);
        }
        if end.is_some_and(|end| end.message.is_some()) {
            self.shared.wake_deliverer.notify_one();
        }
        if self.task.state.is_terminal() {
            self.shared.asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.task.id);
            self.shared.metrics.ended(&self.task.state);
            tracing::info!(task = %self.task.id, state = self.task.state.name(), "task ended");
        }
        Ok(())
    }

    /// What the end of the task brings; nothing while it has not ended.
    fn ending(&self) -> Option<Ending> {
        let ending = || Ending {
            message: deliveries::message(self.shared, &self.task),
            settlement: self.task.settlement(),
            watch: None,
        };
        self.task.state.is_terminal().then(ending)
    }

    /// A store that is away for a moment must not cost what the upstream has just told us.
    async fn write_with_retries(&self, next: Next, end: Option<&Ending>) -> Result<u64, StoreError> {
        let mut wait = WRITE_RETRY_AFTER;
        for _try in 1..WRITE_TRIES {
            match self.shared.store.advance(&self.task, self.epoch, next, end).await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Backend { .. })) => {
                    tracing::warn!(task = %self.task.id, %error, "the store did not take a write, trying again");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
        self.shared.store.advance(&self.task, self.epoch, next, end).await
    }
}

/// The points at which a test may end the process, before and after the write of that state.
fn points(state: &TaskState) -> (&'static str, &'static str) {
    match state {
        TaskState::Queued => ("before_refusal", "refusal_stored"),
        TaskState::Submitting { .. } => ("before_intent", "intent_stored"),
        TaskState::Unknown { .. } => ("before_unknown", "unknown_stored"),
        TaskState::Running { .. } => ("before_running", "running_stored"),
        TaskState::Collecting { .. } => ("before_results", "results_stored"),
        TaskState::Succeeded { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. }
        | TaskState::Expired { .. } => ("before_end", "end_shown"),
    }
}
