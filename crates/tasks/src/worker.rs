//! Claims due tasks and takes one step with each: submit, poll, copy. Waiting tasks are rows with a due time, never
//! tokio tasks; only steps under way are.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{TaskEvent, TaskId, TaskState, with_sources};
use store::{Claim, StoreError};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::Writers;
use crate::at_work::Work;
use crate::grip::Grip;
use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::{cancel, clock, collect, dispatch, gauges, nudged, poll, quarantine, resolve, spans, submit};

/// The longest nap: bounds how late another process's work or a lapsed lease is noticed.
const NAP_MAX: Duration = Duration::from_secs(1);
/// Tasks claimed in one transaction.
const CLAIM_MAX: usize = 64;
/// How often the gauges of tasks are brought up to date.
const GAUGE_EVERY: Duration = Duration::from_secs(5);
/// How long steps that can be taken again go on after a stop was asked for: most polls end within it.
const HAND_OVER_AFTER: Duration = Duration::from_secs(1);
/// How long a task rests after a step with it has crashed.
const CRASHED_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a task that may be what crashes waits for another such one.
const SUSPECT_RETRY_AFTER: Duration = Duration::from_millis(250);

/// Works on tasks until told to stop. Several workers, also in several processes, may share a store.
pub struct Worker {
    shared: Arc<Shared>,
    holder: String,
    steps: JoinSet<()>,
    /// The claims of the steps under way.
    claims: HashMap<Id, (TaskId, u64)>,
    /// The task at work that may be what crashes.
    suspect: Option<TaskId>,
    gauged: Option<Instant>,
}

impl Worker {
    /// A worker over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        let (steps, claims) = (JoinSet::new(), HashMap::new());
        let holder = uuid::Uuid::now_v7().to_string();
        Self { shared, holder, steps, claims, suspect: None, gauged: None }
    }

    /// Works until `stop` is ready, and serves those who wait meanwhile; then claims nothing more and begins no submission.
    /// Submissions under way end, which takes them as long as their timeouts at most. Everything else has a moment, and is
    /// given back then for other processes to go on with. Whoever cannot wait drops this future, and leases lapse for the
    /// rest.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            ((), ()) = async { tokio::join!(self.work(stop), dispatch::run(&shared)) } => {}
            () = nudged::run(&shared) => {}
            () = gauges::run(&shared) => {}
        }
    }

    async fn work(mut self, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        tokio::pin!(stop);
        loop {
            let nap = self.claim().await;
            self.gauge().await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.steps.join_next_with_id() => self.ended(ended).await,
                () = shared.wake.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
            while let Some(ended) = self.steps.try_join_next_with_id() {
                self.ended(ended).await;
            }
        }
        shared.stopping.begin();
        self.hand_over().await;
    }

    /// Lets the steps under way end, or lets go of what they do. Then all that this process knows and the store does not
    /// goes there.
    async fn hand_over(&mut self) {
        let shared = Arc::clone(&self.shared);
        let grace = tokio::time::sleep(HAND_OVER_AFTER);
        tokio::pin!(grace);
        let mut is_over = false;
        while !self.steps.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.steps.join_next_with_id() => self.ended(ended).await,
                () = &mut grace, if !is_over => {
                    is_over = true;
                    shared.stopping.hand_over();
                }
            }
        }
        if let Err(error) = shared.replay_spool().await {
            tracing::error!(%error, "ids of upstreams stay in the spool");
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
            for claim in self.one_suspect(claims).await {
                self.begin(claim).await;
            }
        }
    }

    /// The claims without those of suspects, but for one if none is at work. To be called before any step is taken: what
    /// is still claimed when the process ends counts as crashed.
    async fn one_suspect(&mut self, claims: Vec<Claim>) -> Vec<Claim> {
        // A claim that lapsed while its step lives is that step's, and no crash.
        let is_suspect = |claim: &Claim| {
            quarantine::suspects(&self.shared, claim) && !self.shared.at_work.has(&claim.task.id)
        };
        let (suspects, mut claims): (Vec<_>, Vec<_>) = claims.into_iter().partition(is_suspect);
        let mut later = Vec::new();
        for claim in suspects {
            if self.suspect.is_none() {
                self.suspect = Some(claim.task.id.clone());
                claims.push(claim);
            } else {
                later.push((claim.task.id, claim.epoch));
            }
        }
        if !later.is_empty()
            && let Err(error) = self.shared.store.defer(&later, SUSPECT_RETRY_AFTER).await
        {
            tracing::warn!(%error, "tasks that have crashed could not be put back");
        }
        claims
    }

    async fn begin(&mut self, claim: Claim) {
        let named = (claim.task.id.clone(), claim.epoch);
        let Some((work, claim)) = self.shared.at_work.begin(claim) else {
            // Of a task that a step still works on the claim is that step's, and nothing has crashed.
            if let Err(error) = self.shared.store.pardon(&named.0).await {
                tracing::warn!(task_id = %named.0, %error, "a claim that lapsed under a living step counts as a crash");
            }
            return;
        };
        let shared = Arc::clone(&self.shared);
        let step = self.steps.spawn(async move { take_steps(&shared, work, claim).await });
        self.claims.insert(step.id(), named);
    }

    async fn gauge(&mut self) {
        if self.gauged.is_some_and(|at| at.elapsed() < GAUGE_EVERY) {
            return;
        }
        self.gauged = Some(Instant::now());
        self.shared.renew_slots().await;
        if self.shared.settings.writers == Writers::Several {
            self.learn_and_tell().await;
        }
        self.shared.forget_retired_accounts().await;
    }

    /// What others have decided, and what they have to know.
    async fn learn_and_tell(&self) {
        self.shared.keep_reading_drained().await;
        if let Err(error) = self.shared.replay_spool().await {
            tracing::warn!(%error, "ids of upstreams stay in the spool for longer");
        }
    }

    async fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let step = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(claim) = self.claims.remove(&step) else { return };
        self.suspect.take_if(|suspect| *suspect == claim.0);
        let Err(error) = ended else { return };
        self.shared.metrics.panicked();
        tracing::error!(task_id = %claim.0, %error, "a step crashed");
        if let Err(error) = self.shared.store.crashed(&claim, CRASHED_RETRY_AFTER).await {
            tracing::warn!(task_id = %claim.0, %error, "a crash is counted when the lease runs out");
        }
    }
}

async fn take_steps(shared: &Shared, mut work: Work, claim: Claim) {
    let mut next = Some(claim);
    while let Some(claim) = next {
        let span = spans::step(&claim.task);
        take_step(shared, claim).instrument(span).await;
        // If there is another claim, this one lapsed while its step lived: nothing has crashed.
        next = work.next().map(|claim| Claim { crashes: 0, ..claim });
    }
}

async fn take_step(shared: &Shared, claim: Claim) {
    let (id, grip) = (claim.task.id.clone(), Grip::new(claim.epoch));
    let held = Held::new(shared, claim, &grip);
    let step =
        async { if held.is_quarantined { quarantine::keep(held).await } else { Box::pin(step(held)).await } };
    let taken = tokio::select! {
        biased;
        taken = step => taken,
        () = grip.may_let_go(&shared.stopping) => {
            // As one with which no step was taken: what it has crashed before counts on.
            let put_back = shared.store.defer(&[(id.clone(), grip.epoch())], Duration::ZERO).await;
            put_back.map_err(|source| StepError::Store { task: id.clone(), source })
        }
    };
    match taken {
        Ok(()) => {}
        Err(StepError::Store { source: StoreError::Stale, .. }) => {
            tracing::warn!(task_id = %id, "another worker has gone on with the task");
        }
        Err(error) => tracing::error!(task_id = %id, error = with_sources(&error), "a step failed"),
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
        TaskState::Queued if overdue => {
            held.apply(TaskEvent::DeadlinePassed)?;
            held.done(Duration::ZERO).await
        }
        TaskState::Running { .. } if overdue => cancel::expire(held).await,
        TaskState::Queued if held.cancel_requested => cancel::end(held).await,
        TaskState::Queued => Box::pin(submit::step(held)).await,
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
