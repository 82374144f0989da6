//! A claimed task in the hands of one step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use domain::{AttemptOutcome, Failure, IllegalTransition, Task, TaskEvent, TaskId, TaskState};
use store::{Claim, Ending, NewDelivery, Next, StoreError};
use tokio::time::Instant;

use crate::grip::Grip;
use crate::shared::Shared;
use crate::spool::Fact;
use crate::{Settings, clock, deliveries, health, quarantine, resolve, spans};

/// What a lease exceeds the call by that is made under it, so that nobody takes over while the answer is being stored: as
/// much as the settings have between a submission and a lease, within these bounds.
const LEASE_MARGIN_MIN: Duration = Duration::from_secs(1);
const LEASE_MARGIN_MAX: Duration = Duration::from_secs(15);
/// How long one write is tried while the store does not take it.
const WRITE_FOR: Duration = Duration::from_secs(10);
/// The wait before the second try; it doubles each time, up to a bound.
const WRITE_RETRY_AFTER: Duration = Duration::from_millis(100);
const WRITE_RETRY_AFTER_MAX: Duration = Duration::from_secs(2);
/// How long the worker takes at most to tell a step of a claim that is in the store.
const CLAIM_TOLD_AFTER: Duration = Duration::from_millis(100);
/// An upstream's id that the store has not taken by then goes to the spool, while the store is tried on.
const SPOOL_AFTER: Duration = Duration::from_millis(500);

/// A claimed task, changed in memory by events and then written.
pub(crate) struct Held<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) task: Task,
    /// Whether its owner wants it to stop.
    pub(crate) cancel_requested: bool,
    /// How many claims before this one lapsed or crashed in a row.
    pub(crate) crashes: u32,
    /// Whether no step is to be taken with it.
    pub(crate) is_quarantined: bool,
    /// What the step has in hand.
    pub(crate) grip: &'a Grip,
    /// By our own clock.
    lease_ends_at: Instant,
    write_for: Duration,
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
    pub(crate) fn new(shared: &'a Shared, claim: Claim, grip: &'a Grip) -> Self {
        let is_quarantined = quarantine::holds(shared, &claim);
        let Claim { task, epoch: _, cancel_requested, crashes } = claim;
        let lease_ends_at = Instant::now() + shared.settings.lease;
        let write_for = WRITE_FOR;
        Self { shared, task, cancel_requested, crashes, is_quarantined, grip, lease_ends_at, write_for }
    }

    /// From now on writes are tried for that long: what they tell cannot be had again.
    pub(crate) fn insist(&mut self, write_for: Duration) {
        self.write_for = write_for;
    }

    /// What proves to the store that it is ours.
    pub(crate) fn claim(&self) -> (TaskId, u64) {
        (self.task.id.clone(), self.grip.epoch())
    }

    /// Applies an event in memory.
    pub(crate) fn apply(&mut self, event: TaskEvent) -> Result<(), StepError> {
        Ok(self.task.apply(event, clock::now())?)
    }

    /// Writes the task and goes on with it under a new lease.
    pub(crate) async fn keep(&mut self, lease: Duration) -> Result<(), StepError> {
        let now = Instant::now();
        self.write(Next::Keep { lease }).await?;
        self.lease_ends_at = now + lease;
        Ok(())
    }

    /// Sees to it that the lease outlasts a call that takes so long at most, and the writing of its answer.
    pub(crate) async fn outlast(&mut self, call: Duration) -> Result<(), StepError> {
        let needed = call + self.margin();
        if Instant::now() + needed <= self.lease_ends_at { Ok(()) } else { self.keep(needed).await }
    }

    /// The lease under which a submission is made.
    pub(crate) fn submit_lease(&self) -> Duration {
        self.shared.settings.submit_timeout + self.margin()
    }

    /// Whether a submission that is sent at this moment would be answered, and its answer stored, under the lease. Not if
    /// this process was held up since the lease began: then somebody else may take the task for one in doubt.
    ///
    /// The clock is monotonic. It goes on while the process is stopped, but not while the whole machine is suspended.
    pub(crate) fn may_send(&self) -> bool {
        let needed = self.shared.settings.submit_timeout + self.margin() / 2;
        Instant::now() + needed <= self.lease_ends_at || failpoints::removed("lease_outlasts")
    }

    fn margin(&self) -> Duration {
        let Settings { lease, submit_timeout, .. } = &self.shared.settings;
        lease.saturating_sub(*submit_timeout).clamp(LEASE_MARGIN_MIN, LEASE_MARGIN_MAX)
    }

    /// Renews the lease if it ends soon, so that no other process takes the task. That this may fail is why claims of our own
    /// process count for the step that lives.
    pub(crate) async fn renew(&mut self) {
        let lease = self.shared.settings.lease;
        if Instant::now() + lease / 2 < self.lease_ends_at {
            return;
        }
        let _to_its_end = self.grip.busy();
        self.follow_claim();
        let now = Instant::now();
        match self.shared.store.advance(&self.task, self.grip.epoch(), Next::Keep { lease }, None).await {
            Ok(version) => {
                self.task.version = version;
                self.lease_ends_at = now + lease;
            }
            Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
        }
    }

    /// Writes the task and lets go of it; it is due again after `after`, unless it has ended.
    pub(crate) async fn done(mut self, after: Duration) -> Result<(), StepError> {
        self.write(Next::Due { after }).await
    }

    /// The upstream took the task, which is due for a poll after `after`. Gives the task back as it was if the handle is
    /// that of another attempt.
    pub(crate) async fn accepted(
        mut self,
        handle: String,
        after: Duration,
    ) -> Result<Option<Self>, StepError> {
        let shared = self.shared;
        let before = self.task.clone();
        let attempt = self.task.attempt().map_or(0, |attempt| attempt.number);
        let fact = Fact { task: self.task.id.clone(), attempt, handle: handle.clone() };
        self.apply(TaskEvent::Accepted { handle })?;
        let (spooled, written) = {
            let writing = self.write(Next::Due { after });
            tokio::pin!(writing);
            tokio::select! {
                biased;
                written = &mut writing => (false, written),
                () = tokio::time::sleep(SPOOL_AFTER) => {
                    shared.keep_in_spool(fact.clone()).await;
                    (true, writing.await)
                }
            }
        };
        match written {
            Ok(()) => Ok(None),
            Err(StepError::Store { source: StoreError::HandleTaken, .. }) => {
                shared.forget_in_spool(&fact.task);
                self.task = before;
                Ok(Some(self))
            }
            Err(error) => {
                if !spooled {
                    shared.keep_in_spool(fact.clone()).await;
                }
                // Another process has gone on with it: to that one the answer is lost.
                if matches!(error, StepError::Store { source: StoreError::Stale, .. })
                    && let Err(error) = shared.pass_on(&before, &fact).await
                {
                    tracing::warn!(task_id = %fact.task, %error, "the spool keeps an upstream's id that others need");
                }
                Err(error)
            }
        }
    }

    /// The task fails for good.
    pub(crate) async fn fail(mut self, failure: Failure) -> Result<(), StepError> {
        self.apply(TaskEvent::Failed { failure })?;
        self.done(Duration::ZERO).await
    }

    /// Lets go of the task without a change; it is due again after `after`.
    pub(crate) async fn put_back(mut self, after: Duration) -> Result<(), StepError> {
        self.follow_claim();
        let result = self.shared.store.release(&[self.claim()], after).await;
        result.map_err(|source| StepError::Store { task: self.task.id, source })
    }

    /// Lets go of the task with which no step was taken; what it has crashed before counts on.
    pub(crate) async fn set_aside(mut self, after: Duration) -> Result<(), StepError> {
        self.follow_claim();
        let result = self.shared.store.defer(&[self.claim()], after).await;
        result.map_err(|source| StepError::Store { task: self.task.id, source })
    }

    async fn write(&mut self, next: Next) -> Result<(), StepError> {
        let _to_its_end = self.grip.busy();
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
        let outcome = self.task.attempt().map(|attempt| &attempt.outcome);
        if !matches!(outcome, Some(AttemptOutcome::Intended | AttemptOutcome::Unknown { .. }))
            || self.task.state.is_terminal()
        {
            self.shared.forget_in_spool(&self.task.id);
            self.shared.lost.forget(&self.task.id);
        }
        // Before anybody hears of it: who sees that a task has ended may begin another one at once.
        if self.task.state.is_terminal() {
            self.shared.leave_of(&self.task).await;
        } else if !self.task.attempt().is_some_and(|attempt| attempt.outcome.is_live()) {
            self.shared.give_back_of(&self.task).await;
        }
        self.shared.live.show(&self.task);
        self.shared.watchers.changed(&self.task);
        let settlement = end.as_ref().and_then(|end| end.settlement);
        if let Some(end) = end {
            if end.message.is_some() {
                self.shared.wake_deliverer.notify_one();
            }
            if end.watch.is_some() {
                self.shared.wake_late.notify_one();
            }
        }
        if self.task.state.is_terminal() {
            self.shared.asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.task.id);
            self.shared.metrics.ended(&self.shared.setup.get(), &self.task);
            if matches!(self.task.state, TaskState::Succeeded { .. }) {
                health::succeeded(self.shared, &self.task);
            }
            self.shared.metrics.settled(&self.task, settlement);
            spans::ended(&self.task);
            tracing::info!(state = self.task.state.name(), "task ended");
        }
        Ok(())
    }

    /// What the end of the task brings; nothing while it has not ended.
    fn ending(&self) -> Option<Ending> {
        let ending = || Ending {
            message: self.message(),
            settlement: resolve::settlement(self.shared, &self.task),
            watch: self.watch(),
        };
        self.task.state.is_terminal().then(ending)
    }

    /// What tells the client's own server. The end of a task in quarantine must not fail for what crashes.
    fn message(&self) -> Option<NewDelivery> {
        let message = || deliveries::message(self.shared, &self.task);
        if !self.is_quarantined {
            return message();
        }
        catch_unwind(AssertUnwindSafe(message)).unwrap_or_else(|_crash| {
            tracing::error!("the message about a task in quarantine cannot be made");
            None
        })
    }

    /// How long the upstream is watched that may go on with the task after its end.
    fn watch(&self) -> Option<Duration> {
        let outcome = &self.task.attempt()?.outcome;
        // Of one that answered with its results there is nothing to ask.
        let can_be_asked = !matches!(outcome, AttemptOutcome::Accepted { handle, .. } if handle.is_empty());
        let is_over = matches!(self.task.state, TaskState::Succeeded { .. });
        let watch = self.shared.settings.late.watch;
        let is_watched = outcome.is_live() && can_be_asked && !is_over && !self.is_quarantined;
        (is_watched && !watch.is_zero()).then_some(watch)
    }

    /// A store that is away for a while must not cost what the upstream has just told us.
    async fn write_with_retries(&mut self, next: Next, end: Option<&Ending>) -> Result<u64, StoreError> {
        let began = Instant::now();
        let mut wait = WRITE_RETRY_AFTER;
        let mut has_waited = false;
        loop {
            has_waited &= !self.follow_claim();
            match self.shared.store.advance(&self.task, self.grip.epoch(), next, end).await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Backend { .. }))
                    if began.elapsed() < self.write_for =>
                {
                    tracing::warn!(%error, "the store did not take a write, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(WRITE_RETRY_AFTER_MAX);
                }
                // Our own process may have claimed the task this very moment, and not told us yet.
                Err(StoreError::Stale) if !has_waited => {
                    has_waited = true;
                    tokio::time::sleep(CLAIM_TOLD_AFTER).await;
                }
                result => return result,
            }
        }
    }

    /// If the lease has run out meanwhile and the task was claimed again, that claim is ours. Whether it was.
    fn follow_claim(&mut self) -> bool {
        let renewed = self.shared.at_work.renewed(&self.task.id, self.task.version);
        if let Some(epoch) = renewed {
            self.grip.renewed(epoch);
        }
        renewed.is_some()
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
