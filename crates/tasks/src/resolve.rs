//! What became of a submission whose answer was lost. Each look asks, the cheapest first, whatever there is to ask: the
//! spool, what the upstream has told us by itself, the submission's own key, and the upstream's books. Only a definite word
//! counts. Without one the task is held, never submitted again by itself, and at the end the account's policy decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{
    Account, Attempt, Call, Failure, FailureKind, Media, OnUnknown, Retry, Settlement, Task, TaskEvent,
    TaskId, TaskState,
};
use limits::RateVerdict;
use sha2::{Digest as _, Sha256};
use store::StoreError;
use translation::{Found, LostSubmission, Provider, Results, SubmitOutcome};

use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::submit::{self, Outcome};
use crate::{SAID, choose, clock, collect, failover, pace};

/// The share of a task's time in doubt that is waited until the next look.
const LOOKS_IN_AGE: u32 = 2;
/// What is noted of an attempt that the operator's policy gave up.
const RESUBMITTED: &str = "resubmitted by the operator's policy; the upstream may have taken it";

/// What this process knows of submissions whose answers were lost. At most one entry for each task in doubt.
#[derive(Default)]
pub(crate) struct Lost(Mutex<HashMap<TaskId, Known>>);

#[derive(Default)]
struct Known {
    /// What was sent.
    sent: Option<[u8; 32]>,
    /// How often in a row the upstream did not know it.
    absences: u32,
}

impl Lost {
    /// Notes what was sent.
    pub(crate) fn sent(&self, task: &TaskId, digest: [u8; 32]) {
        self.change(task, |known| known.sent = Some(digest));
    }

    /// The task is no longer in doubt.
    pub(crate) fn forget(&self, task: &TaskId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }

    fn what_was_sent(&self, task: &TaskId) -> Option<[u8; 32]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(task)?.sent
    }

    /// Counts a look that found the upstream not to know it.
    fn absent(&self, task: &TaskId) -> u32 {
        self.change(task, |known| {
            known.absences = known.absences.saturating_add(1);
            known.absences
        })
    }

    fn not_absent(&self, task: &TaskId) {
        self.change(task, |known| known.absences = 0);
    }

    fn change<T>(&self, task: &TaskId, change: impl FnOnce(&mut Known) -> T) -> T {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(task.clone()).or_default())
    }
}

/// What a call is known by, to tell whether another one asks for the same.
pub(crate) fn digest(call: &Call) -> [u8; 32] {
    let mut digest = Sha256::new().chain_update(&call.path).chain_update([0]).chain_update(&call.query);
    digest.update([0]);
    for slot in &call.media {
        digest.update(slot.asset.as_str());
        digest.update([0]);
    }
    digest.chain_update(&call.body).finalize().into()
}

/// Where a look was at.
#[derive(Clone, Copy)]
enum By {
    Spool,
    Callback,
    Key,
    Search,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Spool => "spool",
            Self::Callback => "callback",
            Self::Key => "key",
            Self::Search => "search",
        }
    }
}

/// What a look at the upstream has shown.
enum Shown {
    Accepted(String),
    Finished(Results),
    Refused(Failure),
    Nothing,
}

/// A submission in doubt, and whom to ask about it.
struct Asked {
    account: Arc<Account>,
    provider: &'static dyn Provider,
    attempt: Attempt,
}

impl Asked {
    fn of(held: &Held<'_>) -> Option<Self> {
        let attempt = held.task.attempt()?.clone();
        let account = held.shared.account(&attempt.plan)?;
        let provider = translation::provider(&attempt.plan.provider)?;
        // To another account of that provider a repetition would be new, and absence there proves nothing.
        let is_it = account.provider == attempt.plan.provider && attempt.plan.is_by(&account);
        is_it.then_some(Self { account, provider, attempt })
    }

    fn key(&self, task: &Task) -> String {
        submit::attempt_key(&task.id, self.attempt.number)
    }

    /// Whether the upstream would still know a repetition for what it is when it arrives.
    fn key_is_known(&self, shared: &Shared) -> bool {
        let until = self.provider.key_lifetime().map(|lifetime| self.attempt.intended_at.plus(lifetime));
        until.is_some_and(|until| clock::now().plus(shared.settings.submit_timeout) < until)
    }

    /// Whether the submission can be made of the same bytes: inputs that were fetched or brought to the provider are not
    /// where they were.
    fn can_be_repeated(&self, task: &Task) -> bool {
        let wants_bytes = self.provider.wants_bytes(&self.attempt.plan.upstream_model);
        task.request.inputs.iter().all(|input| match input.media {
            Media::Url(_) => !wants_bytes,
            Media::Asset { .. } => wants_bytes || self.account.files_url.is_none(),
        })
    }

    fn can_be_looked_for(&self, held: &Held<'_>) -> bool {
        let key = self.key(&held.task);
        let can_be_found = self.provider.encode_find(&self.lost(&key, &held.task)).is_some();
        can_be_found || (self.key_is_known(held.shared) && self.can_be_repeated(&held.task))
    }

    fn lost<'b>(&'b self, key: &'b str, task: &'b Task) -> LostSubmission<'b> {
        LostSubmission {
            attempt_key: key,
            upstream_model: &self.attempt.plan.upstream_model,
            request: &task.request,
            intended_at: self.attempt.intended_at,
        }
    }

    fn count(&self, shared: &Shared, by: By, outcome: &str) {
        shared.metrics.resolved(self.account.name.as_str(), by.name(), outcome);
    }
}

/// Holds a task whose submission was sent and not answered in a way that proves anything.
pub(crate) async fn lost(mut held: Held<'_>, reason: String) -> Result<(), StepError> {
    tracing::warn!("whether the upstream took the task is not known; it is held");
    tracing::debug!(target: SAID, reason, "why it is not known");
    held.apply(TaskEvent::SubmitUnknown { reason })?;
    let wait = next_look(&held).unwrap_or_default();
    held.done(wait).await
}

/// Goes on with a task whose submission somebody else had begun. It may have left, so it must not be made again.
pub(crate) async fn interrupted(held: Held<'_>) -> Result<(), StepError> {
    match told(&held).await? {
        Some((by, handle)) => accept(held, by, handle).await,
        None => lost(held, "the process ended before the answer was stored".to_owned()).await,
    }
}

/// Looks for what became of the submission.
pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    if let Some((by, handle)) = told(&held).await? {
        return accept(held, by, handle).await;
    }
    let Some(asked) = Asked::of(&held) else { return undecided(held).await };
    for by in [By::Key, By::Search] {
        let shown = match by {
            By::Key => repeat(&mut held, &asked).await?,
            _ => search(&mut held, &asked).await?,
        };
        match shown {
            Shown::Nothing => {}
            Shown::Accepted(handle) => return accept(held, by, handle).await,
            Shown::Finished(results) => {
                asked.count(held.shared, by, "accepted");
                return collect::finish(held, results).await;
            }
            Shown::Refused(failure) => {
                asked.count(held.shared, by, "refused");
                return refused(held, failure).await;
            }
        }
    }
    undecided(held).await
}

/// The upstream's id, if we have it already.
async fn told(held: &Held<'_>) -> Result<Option<(By, String)>, StepError> {
    let Some(attempt) = held.task.attempt() else { return Ok(None) };
    if let Some(handle) = held.shared.spool.handle(&held.task.id, attempt.number) {
        return Ok(Some((By::Spool, handle)));
    }
    let heard = held.shared.store.heard_handle(&held.task.id, attempt.number).await;
    let heard = heard.map_err(|source| unread(held, source))?;
    let Some(heard) = heard else { return Ok(None) };
    let heard = unclaimed(held, attempt, vec![heard]).await?.pop();
    if heard.is_none() {
        held.shared.metrics.resolved(attempt.plan.account.as_str(), By::Callback.name(), "taken");
    }
    Ok(heard.map(|handle| (By::Callback, handle)))
}

/// Those of `handles` that are not of another submission that we know.
async fn unclaimed(
    held: &Held<'_>,
    attempt: &Attempt,
    mut handles: Vec<String>,
) -> Result<Vec<String>, StepError> {
    if handles.is_empty() {
        return Ok(handles);
    }
    let known = held.shared.store.known_handles(&attempt.plan.account, &handles).await;
    let known = known.map_err(|source| unread(held, source))?;
    handles.retain(|handle| !known.contains(handle) && !held.shared.spool.knows(handle));
    handles.sort_unstable();
    handles.dedup();
    Ok(handles)
}

fn unread(held: &Held<'_>, source: StoreError) -> StepError {
    StepError::Store { task: held.task.id.clone(), source }
}

/// Submits the same bytes with the same key, which the upstream answers as it answered the first time.
async fn repeat(held: &mut Held<'_>, asked: &Asked) -> Result<Shown, StepError> {
    let shared = held.shared;
    if !asked.key_is_known(shared)
        || !asked.can_be_repeated(&held.task)
        || !has_room(shared, &asked.account).await
    {
        return Ok(Shown::Nothing);
    }
    if shared.stopping.is_begun() {
        return Ok(Shown::Nothing);
    }
    held.outlast(shared.settings.submit_timeout).await?;
    let _to_its_end = held.grip.busy();
    let Asked { account, provider, attempt } = asked;
    let plan = &attempt.plan;
    let encoded = submit::encode(held, (account, *provider), (&plan.upstream_model, attempt.number)).await;
    let Ok(outgoing) = encoded else { return Ok(Shown::Nothing) };
    let sent = shared.lost.what_was_sent(&held.task.id);
    if sent.is_some_and(|sent| sent != digest(&outgoing.call)) {
        return Ok(Shown::Nothing);
    }
    let shown = match submit::post(held, (account, *provider), outgoing).await {
        Outcome::Answered(SubmitOutcome::Accepted { handle }) => Shown::Accepted(handle),
        Outcome::Answered(SubmitOutcome::Finished(results)) => Shown::Finished(results),
        // Only what is always said of these bytes was said the first time, too. That the rate is too high, or that there is
        // no money left, may be because the first one was taken.
        Outcome::Answered(SubmitOutcome::Rejected(failure))
            if sent.is_some() && failure.retry == Retry::Never =>
        {
            Shown::Refused(failure)
        }
        Outcome::Answered(SubmitOutcome::Rejected(_) | SubmitOutcome::Unknown { .. })
        | Outcome::NotSent(_) => {
            asked.count(shared, By::Key, "nothing");
            Shown::Nothing
        }
    };
    Ok(shown)
}

/// A repetition is a submission to the upstream's rate limit.
async fn has_room(shared: &Shared, account: &Account) -> bool {
    matches!(choose::count(shared, account).await, RateVerdict::Allowed(_))
}

/// Looks for the submission by our name for it, or in the list of recent tasks.
async fn search(held: &mut Held<'_>, asked: &Asked) -> Result<Shown, StepError> {
    let shared = held.shared;
    let key = asked.key(&held.task);
    let Some(call) = asked.provider.encode_find(&asked.lost(&key, &held.task)) else {
        return Ok(Shown::Nothing);
    };
    let timeout = shared.settings.poll_timeout;
    held.outlast(timeout).await?;
    let call = asked.provider.authorize(call, &asked.account.credential, clock::now());
    let found = match shared.upstream.ask(&asked.account.base_url, call, timeout).await {
        Ok(reply) => asked.provider.decode_find(&asked.lost(&key, &held.task), &reply),
        Err(error) => Found::Unclear { reason: error.to_string() },
    };
    let outcome = match found {
        Found::Absent => return Ok(absent(held, asked)),
        Found::Tasks(handles) => {
            let mut left = unclaimed(held, &asked.attempt, handles).await?;
            match (left.pop(), left.is_empty()) {
                (Some(handle), true) => return Ok(Shown::Accepted(handle)),
                // A wrong one would be worse than none.
                (Some(_), false) => "several",
                (None, _) => "nothing",
            }
        }
        Found::Unclear { reason } => {
            tracing::debug!(target: SAID, reason, "looking for a lost submission showed nothing");
            "nothing"
        }
    };
    shared.lost.not_absent(&held.task.id);
    asked.count(shared, By::Search, outcome);
    Ok(Shown::Nothing)
}

/// The upstream does not know the submission: believed when it has said so often enough, and not at once.
fn absent(held: &Held<'_>, asked: &Asked) -> Shown {
    let settings = &held.shared.settings;
    let has_settled = clock::now() >= asked.attempt.intended_at.plus(settings.absent_after);
    if has_settled && held.shared.lost.absent(&held.task.id) >= settings.absent_looks {
        let failure = Failure::new(FailureKind::NoRoute, "the provider did not take the task");
        let said =
            format!("the upstream did not know the submission at {} looks in a row", settings.absent_looks);
        return Shown::Refused(failure.with_internal(said).with_retry(Retry::Later));
    }
    asked.count(held.shared, By::Search, "absent");
    Shown::Nothing
}

async fn accept(held: Held<'_>, by: By, handle: String) -> Result<(), StepError> {
    let shared = held.shared;
    let account = held.task.attempt().map(|attempt| attempt.plan.account.clone());
    let count = |outcome: &str| {
        if let Some(account) = &account {
            shared.metrics.resolved(account.as_str(), by.name(), outcome);
        }
    };
    let first = pace::of(&held).first;
    match held.accepted(handle, first).await? {
        None => {
            tracing::info!(by = by.name(), "the upstream has the task whose submission was in doubt");
            count("accepted");
            Ok(())
        }
        Some(held) => {
            tracing::warn!(by = by.name(), "what was found is another attempt's task");
            count("taken");
            if matches!(held.task.state, TaskState::Submitting { .. }) {
                return lost(held, ANOTHERS.to_owned()).await;
            }
            undecided(held).await
        }
    }
}

/// Why a submission is in doubt that was answered with what cannot be its id.
pub(crate) const ANOTHERS: &str = "the upstream gave the id of another attempt's task";

/// The upstream did not take it, so another attempt may follow.
async fn refused(mut held: Held<'_>, failure: Failure) -> Result<(), StepError> {
    tracing::info!(kind = failure.kind.name(), "the upstream did not take the task");
    tracing::debug!(target: SAID, reason = %failure, "how it is known");
    held.apply(TaskEvent::AttemptFailed { reason: failure.to_string() })?;
    failover::try_again(held, failure).await
}

async fn undecided(held: Held<'_>) -> Result<(), StepError> {
    match next_look(&held) {
        Some(wait) => held.put_back(wait).await,
        None => give_up(held).await,
    }
}

/// How long until the next look; `None` when the time for them is over.
fn next_look(held: &Held<'_>) -> Option<Duration> {
    let TaskState::Unknown { since } = held.task.state else { return None };
    let (settings, now) = (&held.shared.settings, clock::now());
    let until = since.plus(settings.unknown_hold).min(held.task.deadline_at);
    if now >= until {
        return None;
    }
    let left = until.since(now);
    let can_be_looked_for = Asked::of(held).is_none_or(|asked| asked.can_be_looked_for(held));
    let wait = (now.since(since) / LOOKS_IN_AGE).clamp(settings.look_after, settings.look_after_max);
    // Otherwise only a callback can help, and it wakes the task by itself.
    Some(if can_be_looked_for { left.min(wait.mul_f64(0.9 + 0.2 * fastrand::f64())) } else { left })
}

/// Nothing was found in time: what the operator wants done then.
async fn give_up(mut held: Held<'_>) -> Result<(), StepError> {
    let policy = policy(held.shared, &held.task);
    let account = held.task.attempt().map(|attempt| attempt.plan.account.clone());
    let is_spent = failover::is_spent(held.shared, &held.task, &submit::plan(held.shared, &held.task));
    let has_time = clock::now() < held.task.deadline_at && !is_spent;
    let outcome = match policy {
        OnUnknown::Resubmit if has_time && !held.cancel_requested => "resubmitted",
        OnUnknown::Release => "released",
        OnUnknown::Hold | OnUnknown::Resubmit => "held",
    };
    if let Some(account) = account {
        held.shared.metrics.resolved(account.as_str(), "policy", outcome);
    }
    tracing::warn!(outcome, "what became of a submission could not be established in time");
    if outcome == "resubmitted" {
        tracing::warn!("{RESUBMITTED}");
        held.apply(TaskEvent::AttemptAbandoned { reason: RESUBMITTED.to_owned() })?;
    } else {
        held.apply(TaskEvent::DeadlinePassed)?;
    }
    held.done(Duration::ZERO).await
}

fn policy(shared: &Shared, task: &Task) -> OnUnknown {
    let account = task.attempt().and_then(|attempt| shared.account(&attempt.plan));
    account.map_or(OnUnknown::Hold, |account| account.on_unknown)
}

/// What becomes of the money of a task that has ended: as the task itself says, but where nobody knows whether its
/// upstream charges for it the operator decides.
pub(crate) fn settlement(shared: &Shared, task: &Task) -> Option<Settlement> {
    let release = || {
        let is_free = task.state.is_terminal() && policy(shared, task) == OnUnknown::Release;
        is_free.then(|| Settlement::release(task.quote.reserved))
    };
    task.settlement().or_else(release)
}
