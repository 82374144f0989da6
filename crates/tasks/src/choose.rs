//! Chooses the account for a task: the first of its plan that can express the request and has room for it.

use std::sync::Arc;
use std::time::Duration;

use domain::{Account, AccountName, Failure, FailureKind, NewAttempt, TaskId};
use limits::{LimitKey, Rate, RateVerdict};
use routing::{Begun, Candidate, Plan, Planned, Reason, Rejected, Rejection};
use tokio::time::Instant;
use translation::{Provider, SubmitContext};
use upstream::Outgoing;

use crate::held::Held;
use crate::localize::Unready;
use crate::queue::Place;
use crate::shared::Shared;
use crate::{clock, daily, localize, submit};

/// How often an account without a free slot is looked at, whatever is heard: another process may give one back.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(500);
/// When an account is looked at again of which nobody knows when it takes submissions.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(15);

/// What is to be done with a task.
pub(crate) enum Choice {
    /// To be sent: a slot is taken for it.
    Send(Box<Sending>),
    /// To be tried again after this, for a reason of its own.
    Later(Duration),
    /// To wait for room at these accounts.
    Queue(Vec<Place>),
    /// Nobody will ever take it.
    Nobody(Failure),
}

/// A submission that is ready to be sent.
pub(crate) struct Sending {
    pub(crate) account: Arc<Account>,
    pub(crate) provider: &'static dyn Provider,
    pub(crate) plan: NewAttempt,
    pub(crate) outgoing: Outgoing,
    pub(crate) begun: Begun,
}

/// The first candidate that can express the request and has room. A slot that was `granted` is used if the plan still has
/// its account, and given back otherwise.
pub(crate) async fn choose(held: &Held<'_>, plan: &Plan, granted: Option<AccountName>) -> Choice {
    let granted = still_planned(held, plan, granted).await;
    let is_granted = |planned: &&Planned| Some(&planned.candidate.account) == granted.as_ref();
    let (first, rest): (Vec<_>, Vec<_>) = plan.candidates.iter().partition(is_granted);
    let mut places: Vec<Place> = Vec::new();
    let mut tries_max = u32::MAX;
    let mut reasons = Vec::new();
    for Planned { candidate, reason } in first.into_iter().chain(rest) {
        // Before anybody is tried again, all others are.
        if reason.tries > tries_max {
            break;
        }
        let (account, provider) = match expressible(held, candidate) {
            Ok(prepared) => prepared,
            Err(reason) => {
                reasons.push(format!("{}: {reason}", candidate.account));
                continue;
            }
        };
        let upstream_model = &candidate.upstream_model;
        match enter(held, (&account, upstream_model), reason, granted.as_ref()).await {
            Ok(begun) => return send(held, (account, provider), upstream_model, begun).await,
            Err(closed_until) => {
                tries_max = reason.tries;
                places.push(Place { account: account.name.clone(), closed_until });
            }
        }
    }
    places.extend(plan.rejected.iter().filter_map(|rejected| closed(held, rejected)));
    places.sort_by(|one, other| one.account.as_str().cmp(other.account.as_str()));
    places.dedup_by(|one, other| one.account == other.account);
    if places.is_empty() { Choice::Nobody(nobody(plan, &reasons)) } else { Choice::Queue(places) }
}

/// The account of a granted slot, if the task may still go there; otherwise the slot is free again.
async fn still_planned(held: &Held<'_>, plan: &Plan, granted: Option<AccountName>) -> Option<AccountName> {
    let granted = granted?;
    let is_it = |candidate: &Candidate| candidate.account == granted;
    let planned = plan.candidates.iter().find(|planned| is_it(&planned.candidate));
    if planned.is_some_and(|planned| expressible(held, &planned.candidate).is_ok()) {
        return Some(granted);
    }
    // Whoever is next in its line would find the same.
    let rejected = plan.rejected.iter().find(|rejected| is_it(&rejected.candidate));
    if let Some(place) = rejected.and_then(|rejected| closed(held, rejected))
        && let Some(until) = place.closed_until
    {
        held.shared.waiting.close(&granted, until);
    }
    held.shared.give_back(&held.task.id).await;
    None
}

/// Takes what a submission to the account needs. If it has to wait it has nothing; then until when the account takes
/// nothing, if that is known.
async fn enter(
    held: &Held<'_>,
    (account, upstream_model): (&Account, &str),
    reason: &Reason,
    granted: Option<&AccountName>,
) -> Result<Begun, Option<Instant>> {
    let (shared, task) = (held.shared, &held.task.id);
    if granted != Some(&account.name) {
        if let Some(until) = daily::full_until(held, account, upstream_model) {
            return Err(Some(until));
        }
        let is_waited_for = shared.waiting.is_waited_for(&account.name, task);
        // Unless its turn came in the queue of another process.
        if !is_waited_for || !shared.slots.take_over(task, account).await {
            if is_waited_for {
                return Err(None);
            }
            reserve(shared, task, account).await.map_err(|_after| None)?;
        }
    }
    let Some(begun) = shared.health.begin(&shared.setup.get(), account, reason) else {
        shared.give_back(task).await;
        return Err(None);
    };
    // Last, because it is written: nothing after it fails but in rare cases.
    match daily::take(held, account, upstream_model).await {
        Ok(()) => Ok(begun),
        Err(until) => {
            shared.health.abandon(account, begun);
            shared.give_back(task).await;
            Err(Some(until))
        }
    }
}

async fn send(
    held: &Held<'_>,
    (account, provider): (Arc<Account>, &'static dyn Provider),
    upstream_model: &str,
    begun: Begun,
) -> Choice {
    match submit::prepare(held, (&account, provider), upstream_model).await {
        Ok(outgoing) => {
            let plan = NewAttempt {
                account: account.name.clone(),
                provider: account.provider.clone(),
                upstream_model: upstream_model.to_owned(),
                account_version: account.version.clone(),
            };
            Choice::Send(Box::new(Sending { account, provider, plan, outgoing, begun }))
        }
        Err(unready) => {
            held.shared.health.abandon(&account, begun);
            held.shared.give_back(&held.task.id).await;
            daily::give_back(held, &account).await;
            match unready {
                Unready::Never(failure) => Choice::Nobody(failure),
                Unready::Later(after) => Choice::Later(after),
            }
        }
    }
}

/// Gives back what was taken for a submission that is not made after all.
pub(crate) async fn give_up(held: &Held<'_>, sending: &Sending) {
    let Sending { account, begun, .. } = sending;
    held.shared.health.abandon(account, *begun);
    held.shared.give_back(&held.task.id).await;
    daily::give_back(held, account).await;
}

/// Where the task waits for a candidate that takes nothing now, but later, and can express the request.
fn closed(held: &Held<'_>, Rejected { candidate, why }: &Rejected) -> Option<Place> {
    if !why.passes() || expressible(held, candidate).is_err() {
        return None;
    }
    let wait = why.until().map_or(CLOSED_RETRY_AFTER, |until| until.since(clock::now()));
    Some(Place { account: candidate.account.clone(), closed_until: Some(Instant::now() + wait) })
}

/// The account and provider of a candidate, if they can express the request at all.
fn expressible(
    held: &Held<'_>,
    candidate: &Candidate,
) -> Result<(Arc<Account>, &'static dyn Provider), String> {
    let setup = held.shared.setup.get();
    let account = setup.accounts.get(&candidate.account).cloned().ok_or("not configured")?;
    let provider = translation::provider(&account.provider).ok_or("no such provider")?;
    let outline = localize::outline(&held.task.request, provider, &candidate.upstream_model);
    provider
        .encode_submit(
            &outline,
            &SubmitContext::new(&candidate.upstream_model, &held.shared.settings.base_url),
        )
        .map_err(|error| error.to_string())?;
    Ok((account, provider))
}

/// Takes a slot and a share of the rate, or says how long to wait. Our own limits pace submissions, they fail none.
pub(crate) async fn reserve(shared: &Shared, task: &TaskId, account: &Account) -> Result<(), Duration> {
    let provider = shared.setup.get().provider(&account.provider);
    if !shared.slots.take(task, account, provider).await {
        return Err(FULL_RETRY_AFTER);
    }
    match count(shared, account).await {
        RateVerdict::Allowed(_) => Ok(()),
        RateVerdict::Refused { retry_after, .. } | RateVerdict::Unavailable { retry_after } => {
            // Nobody is told: the next one would find the same.
            shared.slots.give_back(task).await;
            Err(retry_after)
        }
    }
}

/// Counts a submission against the rates of the account and of its provider.
pub(crate) async fn count(shared: &Shared, account: &Account) -> RateVerdict {
    let of_account = (LimitKey::Account(account.name.clone()), Rate::smooth(account.requests_per_minute));
    let provider = shared.setup.get().provider(&account.provider).requests_per_minute;
    let of_provider =
        provider.map(|per_minute| (LimitKey::Provider(account.provider.clone()), Rate::smooth(per_minute)));
    let rates: Vec<(LimitKey, Rate)> = std::iter::once(of_account).chain(of_provider).collect();
    shared.limiter.check(&rates).await
}

/// The end of a task that nobody will ever take.
fn nobody(plan: &Plan, reasons: &[String]) -> Failure {
    let too_expensive =
        plan.rejected.iter().any(|rejected| matches!(rejected.why, Rejection::TooExpensive { .. }));
    let public = if too_expensive {
        "no provider can take this request for what is left of the price that was allowed for it"
    } else {
        "no provider can take this request"
    };
    let rejected =
        plan.rejected.iter().map(|rejected| format!("{}: {}", rejected.candidate.account, rejected.why));
    let reasons: Vec<String> = reasons.iter().cloned().chain(rejected).collect();
    Failure::new(FailureKind::NoRoute, public).with_internal(reasons.join("; "))
}
