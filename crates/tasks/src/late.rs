//! What becomes of work that an upstream may go on with after the end of its task. It is asked, at a slow pace and for a
//! bounded time. What it finishes is kept and entered into the ledger, because it has been paid for; the end of the task
//! stays as it is.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{AttemptOutcome, Output, Task, with_sources};
use store::{LateClaim, LateWord, StoreError};
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;
use translation::Progress;

use crate::shared::Shared;
use crate::{clock, collect, poll, spans};

/// The longest nap: bounds how late a lapsed lease is noticed.
const NAP_MAX: Duration = Duration::from_secs(1);
/// Looks at one time: they can wait.
const LOOKS_MAX: usize = 8;
/// Results whose copying the lease of a look outlasts; of more, the looks may overlap and only one of them counts.
const RESULTS_IN_LEASE: u32 = 4;
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// The share of the time since a task's end that is waited until the next look.
const LOOKS_IN_AGE: u32 = 4;

/// How long and how often upstreams are asked about tasks that have ended.
#[derive(Debug, Clone)]
pub struct LateSettings {
    /// From the end of a task; zero for not at all.
    pub watch: Duration,
    /// Between two looks at first.
    pub shortest: Duration,
    /// Between two looks later.
    pub longest: Duration,
}

/// Looks at upstreams of ended tasks until told to stop. Several, also in several processes, may share a store.
pub struct LateWatcher {
    shared: Arc<Shared>,
    looks: JoinSet<()>,
    /// The claims of the looks under way.
    claims: HashMap<Id, LateClaim>,
}

impl LateWatcher {
    /// A watcher over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, looks: JoinSet::new(), claims: HashMap::new() }
    }

    /// Looks until `stop` is ready. Looks under way are dropped then: they cost nothing twice, and are due again at once, for
    /// whichever process comes first.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        tokio::pin!(stop);
        loop {
            let nap = self.claim().await;
            tokio::select! {
                biased;
                () = &mut stop => return self.hand_over().await,
                Some(ended) = self.looks.join_next_with_id() => {
                    let look = ended.map_or_else(|crash| crash.id(), |(look, ())| look);
                    self.claims.remove(&look);
                }
                () = shared.wake_late.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// Gives back what is claimed. One that was settled meanwhile is left as it is.
    async fn hand_over(mut self) {
        self.looks.shutdown().await;
        for claim in self.claims.values() {
            let due =
                self.shared.store.settle_late(claim, &LateWord::NothingYet { after: Duration::ZERO }).await;
            if let Err(error) = due {
                tracing::debug!(task_id = %claim.task.id, %error, "an ended task is looked at again only later");
            }
        }
    }

    /// Claims what is due, as far as there is room, and returns how long nothing more will be due.
    async fn claim(&mut self) -> Duration {
        match self.try_claim().await {
            Ok(nap) => nap.unwrap_or(NAP_MAX).min(NAP_MAX),
            Err(error) => {
                tracing::error!(error = with_sources(&error), "claiming ended tasks failed");
                NAP_MAX
            }
        }
    }

    async fn try_claim(&mut self) -> Result<Option<Duration>, StoreError> {
        let settings = &self.shared.settings;
        let lease = settings.poll_timeout * poll::CALLS_MAX
            + settings.result_timeout * RESULTS_IN_LEASE
            + LEASE_MARGIN;
        loop {
            let room = LOOKS_MAX.saturating_sub(self.looks.len());
            let next = self.shared.store.next_late_in().await?;
            if room == 0 || next != Some(Duration::ZERO) {
                return Ok(next.filter(|_| room > 0));
            }
            let claims = self.shared.store.claim_late(lease, room).await?;
            if claims.is_empty() {
                return Ok(None);
            }
            for claim in claims {
                let (shared, named) = (Arc::clone(&self.shared), claim.clone());
                let look = self.looks.spawn(async move { look_safely(shared, claim).await });
                self.claims.insert(look.id(), named);
            }
        }
    }
}

/// A look that crashes says nothing, and is taken again at its time.
async fn look_safely(shared: Arc<Shared>, claim: LateClaim) {
    let looking = tokio::spawn({
        let (shared, claim) = (Arc::clone(&shared), claim.clone());
        let span = spans::look(&claim.task);
        async move { look(&shared, &claim).await }.instrument(span)
    });
    let word = Aborting(looking).ended().await.unwrap_or_else(|| {
        shared.metrics.panicked();
        tracing::error!(task_id = %claim.task.id, "a look at an ended task crashed");
        nothing_yet(&shared, &claim)
    });
    conclude(&shared, &claim, &word).await;
}

/// A task that ends with whoever waits for it.
struct Aborting<T>(tokio::task::JoinHandle<T>);

impl<T> Aborting<T> {
    /// What came of it; `None` if it crashed.
    async fn ended(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks the upstream, and keeps what it has finished.
async fn look(shared: &Shared, claim: &LateClaim) -> LateWord {
    let Some(task) = with_handle(shared, &claim.task).await else { return nothing_yet(shared, claim) };
    match poll::ask(shared, &task).await {
        Some(Progress::Failed(_)) => LateWord::Failed,
        Some(Progress::Finished(results)) => match collect::custody(shared, &task, &results).await {
            Ok(outputs) => finished(&task, outputs),
            Err(reason) => {
                tracing::warn!(task_id = %task.id, reason, "a late result could not be copied");
                // It has been paid for, whether or not anybody can have it.
                let last = || finished(&task, collect::remote(&results));
                if claim.is_last { last() } else { nothing_yet(shared, claim) }
            }
        },
        Some(Progress::Running { .. } | Progress::Unclear { .. } | Progress::Elsewhere(_)) | None => {
            nothing_yet(shared, claim)
        }
    }
}

/// The task with the upstream's own id of it; of a lost submission only if a callback named one that is no other's.
async fn with_handle(shared: &Shared, task: &Task) -> Option<Task> {
    let mut task = task.clone();
    let attempt = task.attempts.last_mut()?;
    if matches!(attempt.outcome, AttemptOutcome::Intended | AttemptOutcome::Unknown { .. }) {
        let heard = shared.store.heard_handle(&task.id, attempt.number).await.ok()??;
        let known = shared.store.known_handles(&attempt.plan.account, std::slice::from_ref(&heard)).await;
        if !known.ok()?.is_empty() {
            return None;
        }
        attempt.outcome = AttemptOutcome::Accepted { handle: heard, at: clock::now() };
    }
    Some(task)
}

fn finished(task: &Task, outputs: Vec<Output>) -> LateWord {
    let attempt = task.attempt();
    let handle = match attempt.map(|attempt| &attempt.outcome) {
        Some(AttemptOutcome::Accepted { handle, .. }) => handle.clone(),
        _ => String::new(),
    };
    let price = attempt.map(|attempt| task.price_of(&attempt.plan)).unwrap_or_default();
    LateWord::Finished { outputs, price, handle }
}

fn nothing_yet(shared: &Shared, claim: &LateClaim) -> LateWord {
    if claim.is_last {
        return LateWord::GivenUp;
    }
    let LateSettings { shortest, longest, .. } = shared.settings.late;
    let age = claim.task.state.ended_at().map(|at| clock::now().since(at)).unwrap_or_default();
    let after = (age / LOOKS_IN_AGE).clamp(shortest, longest.max(shortest));
    LateWord::NothingYet { after: after.mul_f64(1.0 + 0.25 * fastrand::f64()) }
}

async fn conclude(shared: &Shared, claim: &LateClaim, word: &LateWord) {
    let id = &claim.task.id;
    let outcome = match word {
        LateWord::NothingYet { .. } => "nothing_yet",
        LateWord::Finished { .. } => "finished",
        LateWord::Failed => "failed",
        LateWord::GivenUp => "given_up",
    };
    match shared.store.settle_late(claim, word).await {
        Ok(()) => {
            shared.metrics.looked_late(outcome);
            if let LateWord::Finished { price, .. } = word {
                shared.metrics.adjusted(&claim.task, *price);
            }
        }
        Err(StoreError::Stale) => {
            tracing::debug!(task_id = %id, "somebody else has looked at the ended task");
            return;
        }
        Err(error) => {
            tracing::error!(task_id = %id, error = with_sources(&error), "what came late could not be stored");
            return;
        }
    }
    match word {
        LateWord::Finished { price, .. } => tracing::warn!(
            task_id = %id, state = claim.task.state.name(), %price,
            "an upstream finished a task after its end; its results are kept, see `filmgate late list`"
        ),
        LateWord::GivenUp => {
            tracing::warn!(task_id = %id, "what an upstream did with an ended task is not known")
        }
        LateWord::NothingYet { .. } | LateWord::Failed => {}
    }
}
