//! Claims due tasks and takes one step with each: submit, poll, copy. Waiting tasks are rows with a due time, never
//! tokio tasks; only steps under way are.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{TaskEvent, TaskState, with_sources};
use store::{Claim, StoreError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::at_work::Work;
use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::{cancel, clock, collect, poll, resolve, submit};

/// The longest nap: bounds how late another process's work or a lapsed lease is noticed.
const NAP_MAX: Duration = Duration::from_secs(1);
/// Tasks claimed in one transaction.
const CLAIM_MAX: usize = 64;
/// How often the gauge of live tasks is brought up to date.
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// Works on tasks until told to stop. Several workers, also in several processes, may share a store.
pub struct Worker {
    shared: Arc<Shared>,
    holder: String,
    steps: JoinSet<()>,
    gauged: Option<Instant>,
}

impl Worker {
    /// A worker over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, holder: uuid::Uuid::now_v7().to_string(), steps: JoinSet::new(), gauged: None }
    }

    /// Works until `stop` is ready, then claims nothing more, lets the steps under way end, and returns. A step lasts
    /// at most as long as its timeouts; whoever cannot wait drops this future, and leases lapse for the rest.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        tokio::pin!(stop);
        loop {
            let nap = self.claim().await;
            self.gauge().await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.steps.join_next() => self.ended(ended),
                () = shared.wake.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
            while let Some(ended) = self.steps.try_join_next() {
                self.ended(ended);
            }
        }
        while let Some(ended) = self.steps.join_next().await {
            self.ended(ended);
        }
    }

    /// Claims what is due, as far as there is room, and returns how long nothing more will be due.
    async fn claim(&mut self) -> Duration {
        match self.try_claim().await {
            Ok(nap) => nap,
            Err(error) => {
                tracing::error!(error = with_sources(&error), "claiming tasks failed");
                NAP_MAX
            }
        }
    }

    async fn try_claim(&mut self) -> Result<Duration, StoreError> {
        loop {
            let room = self.shared.settings.steps_max.saturating_sub(self.steps.len());
            if room == 0 {
                return Ok(NAP_MAX);
            }
            match self.shared.store.next_due_in().await? {
                Some(Duration::ZERO) => {}
                Some(wait) => return Ok(wait.min(NAP_MAX)),
                None => return Ok(NAP_MAX),
            }
            let lease = self.shared.settings.lease;
            let claims = self.shared.store.claim_due(&self.holder, lease, room.min(CLAIM_MAX)).await?;
            if claims.is_empty() {
                return Ok(NAP_MAX);
            }
            failpoints::pass("claimed");
            for claim in claims {
                // Of a task that a step still works on the claim is that step's.
                let Some((work, claim)) = self.shared.at_work.begin(claim) else { continue };
                let shared = Arc::clone(&self.shared);
                self.steps.spawn(async move { take_steps(&shared, work, claim).await });
            }
        }
    }

    async fn gauge(&mut self) {
        if self.gauged.is_some_and(|at| at.elapsed() < GAUGE_EVERY) {
            return;
        }
        self.gauged = Some(Instant::now());
        if let Ok(counts) = self.shared.store.live_tasks().await {
            self.shared.metrics.live(&counts);
        }
    }

    fn ended(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            self.shared.metrics.panicked();
            tracing::error!(%error, "a step crashed; its task goes on when its lease runs out");
        }
    }
}

async fn take_steps(shared: &Shared, mut work: Work, claim: Claim) {
    take_step(shared, claim).await;
    while let Some(later) = work.next() {
        take_step(shared, later).await;
    }
}

async fn take_step(shared: &Shared, claim: Claim) {
    let id = claim.task.id.clone();
    match step(Held::new(shared, claim)).await {
        Ok(()) => {}
        Err(StepError::Store { source: StoreError::Stale, .. }) => {
            tracing::warn!(task = %id, "another worker has gone on with the task");
        }
        Err(error) => tracing::error!(task = %id, error = with_sources(&error), "a step failed"),
    }
}

async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    failpoints::panic_on(&held.task.request.prompt);
    let now = clock::now();
    let overdue = now >= held.task.deadline_at;
    match &held.task.state {
        TaskState::Submitting { .. } => {
            failpoints::pass("interrupted_found");
            resolve::interrupted(held).await
        }
        TaskState::Unknown { .. } => resolve::step(held).await,
        TaskState::Queued | TaskState::Running { .. } if overdue => {
            held.apply(TaskEvent::DeadlinePassed)?;
            held.done(Duration::ZERO).await
        }
        TaskState::Queued if held.cancel_requested => cancel::end(held).await,
        TaskState::Queued => submit::step(held).await,
        TaskState::Running { .. } if held.cancel_requested => {
            cancel::ask(&held).await;
            poll::step(held).await
        }
        TaskState::Collecting { .. } if overdue => collect::give_up(held).await,
        TaskState::Running { .. } | TaskState::Collecting { .. } => poll::step(held).await,
        TaskState::Succeeded { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. }
        | TaskState::Expired { .. } => held.put_back(NAP_MAX).await,
    }
}
