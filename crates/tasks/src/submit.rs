//! The step that costs money: choose an account, store the intent, send once, store what the answer proves.

use std::sync::Arc;
use std::time::Duration;

use domain::{Account, Failure, FailureKind, NewAttempt, Retry, Task, TaskEvent, TaskId};
use limits::{LimitKey, Rate, RateVerdict};
use routing::{Asked, Candidate, Condition, Plan, Planned};
use translation::{Provider, SubmitContext, SubmitOutcome};
use upstream::{Outgoing, SendError};

use crate::held::{Held, LEASE_MARGIN, StepError};
use crate::localize::Unready;
use crate::shared::Shared;
use crate::{clock, collect, failover, localize, pace, resolve};

/// How long a task waits at least when its accounts are full. Slots come free at any time, so it is short.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(500);

enum Choice {
    Send(Box<Sending>),
    Wait(Duration),
    Nobody(Failure),
}

struct Sending {
    account: Arc<Account>,
    provider: &'static dyn Provider,
    plan: NewAttempt,
    outgoing: Outgoing,
}

pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let shared = held.shared;
    let Some(_room_for_its_id) = shared.spool.reserve() else { return held.put_back(FULL_RETRY_AFTER).await };
    let plan = plan(shared, &held.task);
    match choose(&held, &plan).await {
        Choice::Wait(after) => held.put_back(after).await,
        Choice::Nobody(failure) => held.fail(failure).await,
        Choice::Send(sending) => {
            held.apply(TaskEvent::SubmitIntended { plan: sending.plan.clone() })?;
            let lease = held.shared.settings.submit_timeout + LEASE_MARGIN;
            if failpoints::removed("intent_first") {
                tracing::warn!("the intent is not stored");
            } else if let Err(error) = held.keep(lease).await {
                // Nothing was sent. If the intent is stored all the same, a later claim finds it and asks, never sends.
                held.shared.slots.give_back(&held.task.id).await;
                return Err(error);
            }
            let Sending { account, provider, outgoing, .. } = *sending;
            let sent = provider.key_lifetime().map(|_is_known| resolve::digest(&outgoing.call));
            let outcome = post(&held, (&account, provider), outgoing).await;
            shared.metrics.submitted(account.name.as_str(), outcome.name());
            if let (Some(digest), Outcome::Answered(SubmitOutcome::Unknown { .. })) = (sent, &outcome) {
                shared.lost.sent(&held.task.id, digest);
            }
            // For as long as nobody else takes the task: what is known now may never be known again.
            held.insist(shared.settings.lease);
            conclude(held, outcome, &plan).await
        }
    }
}

/// The first candidate that can express the request and has room; its slot is taken.
async fn choose(held: &Held<'_>, plan: &Plan) -> Choice {
    let mut full: Option<Full> = None;
    let mut reasons = Vec::new();
    for Planned { candidate, .. } in &plan.candidates {
        let (account, provider) = match expressible(held, candidate) {
            Ok(prepared) => prepared,
            Err(reason) => {
                reasons.push(format!("{}: {reason}", candidate.account));
                continue;
            }
        };
        match reserve(held, &account).await {
            Err(after) => full = full.filter(|full| full.after <= after).or(Some(Full { account, after })),
            Ok(()) => {
                let prepared = prepare(held, (&account, provider), &candidate.upstream_model).await;
                let outgoing = match prepared {
                    Ok(outgoing) => outgoing,
                    Err(unready) => {
                        held.shared.slots.give_back(&held.task.id).await;
                        return match unready {
                            Unready::Never(failure) => Choice::Nobody(failure),
                            Unready::Later(after) => Choice::Wait(after),
                        };
                    }
                };
                let plan = NewAttempt {
                    account: account.name.clone(),
                    provider: account.provider.clone(),
                    upstream_model: candidate.upstream_model.clone(),
                    account_version: account.version.clone(),
                };
                return Choice::Send(Box::new(Sending { account, provider, plan, outgoing }));
            }
        }
    }
    full.map_or_else(|| Choice::Nobody(no_route(&reasons)), |full| Choice::Wait(queue_up(held, &full)))
}

/// An account that may have room again after a while.
struct Full {
    account: Arc<Account>,
    after: Duration,
}

fn queue_up(held: &Held<'_>, full: &Full) -> Duration {
    let spacing = Duration::from_secs(60) / full.account.requests_per_minute.max(1);
    held.shared.lines.queue_up(&full.account.name, full.after, spacing)
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

/// The call for real, with the inputs where the provider can read them.
async fn prepare(
    held: &Held<'_>,
    (account, provider): (&Account, &'static dyn Provider),
    upstream_model: &str,
) -> Result<Outgoing, Unready> {
    // Another worker must not take over meanwhile: nothing is stored yet, and the slot would be counted wrongly.
    let at_most = held.shared.settings.lease / 2;
    let number = held.task.attempts.last().map_or(1, |attempt| attempt.number + 1);
    let encoding = encode(held, (account, provider), (upstream_model, number));
    tokio::time::timeout(at_most, encoding).await.unwrap_or_else(|_| Err(localize::too_slow(held)))
}

/// The call that makes the attempt of that number; the same whenever it is made, if its inputs are where they were.
pub(crate) async fn encode(
    held: &Held<'_>,
    (account, provider): (&Account, &'static dyn Provider),
    (upstream_model, number): (&str, u32),
) -> Result<Outgoing, Unready> {
    let request = localize::localized(held, (account, provider), upstream_model).await?;
    let hints = held.shared.settings.hints.as_ref();
    let callback_url = hints.map(|hints| hints.url(&held.task.id, number));
    let context = SubmitContext {
        attempt_key: &attempt_key(&held.task.id, number),
        callback_url: callback_url.as_deref(),
        ..SubmitContext::new(upstream_model, &held.shared.settings.base_url)
    };
    let call = provider.encode_submit(&request, &context);
    let call = call.map_err(|error| Unready::Never(no_route(&[format!("{}: {error}", account.name)])))?;
    localize::outgoing(held, call).await.map_err(Unready::Never)
}

/// What names an attempt to upstreams that know keys of idempotency or names of ours.
pub(crate) fn attempt_key(task: &TaskId, number: u32) -> String {
    format!("{task}.{number}")
}

/// Takes a slot and a share of the rate, or says how long to wait. Our own limits pace submissions, they fail none.
async fn reserve(held: &Held<'_>, account: &Account) -> Result<(), Duration> {
    let provider = held.shared.setup.get().provider(&account.provider);
    if !held.shared.slots.take(&held.task.id, account, provider).await {
        return Err(FULL_RETRY_AFTER);
    }
    match count(held.shared, account).await {
        RateVerdict::Allowed(_) => Ok(()),
        RateVerdict::Refused { retry_after, .. } | RateVerdict::Unavailable { retry_after } => {
            held.shared.slots.give_back(&held.task.id).await;
            Err(retry_after)
        }
    }
}

/// Counts a submission against the rates of the account and of its provider.
pub(crate) async fn count(shared: &Shared, account: &Account) -> RateVerdict {
    let of_account = (LimitKey::Account(account.name.clone()), Rate::smooth(account.requests_per_minute));
    let provider = shared.setup.get().provider(&account.provider).requests_per_minute;
    let of_provider = provider
        .map(|per_minute| (LimitKey::Provider(account.provider.clone()), Rate::smooth(per_minute)));
    let rates: Vec<(LimitKey, Rate)> = std::iter::once(of_account).chain(of_provider).collect();
    shared.limiter.check(&rates).await
}

/// Whom to try next for the task.
pub(crate) fn plan(shared: &Shared, task: &Task) -> Plan {
    shared.setup.get().router.plan(&Asked::task(task, 0), &|_| Condition::default())
}

/// What sending a submission has come to.
pub(crate) enum Outcome {
    Answered(SubmitOutcome),
    NotSent(String),
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Answered(SubmitOutcome::Accepted { .. } | SubmitOutcome::Finished(_)) => "accepted",
            Self::Answered(SubmitOutcome::Rejected(_)) => "rejected",
            Self::Answered(SubmitOutcome::Unknown { .. }) => "unknown",
        }
    }
}

/// Sends a submission once.
pub(crate) async fn post(
    held: &Held<'_>,
    (account, provider): (&Account, &'static dyn Provider),
    mut outgoing: Outgoing,
) -> Outcome {
    outgoing.call = provider.authorize(outgoing.call, &account.credential, clock::now());
    let timeout = held.shared.settings.submit_timeout;
    match held.shared.upstream.submit(&account.base_url, outgoing, timeout).await {
        Ok(reply) => Outcome::Answered(provider.decode_submit_of(&held.task.request, &reply)),
        Err(SendError::NotSent(reason)) => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) if failpoints::removed("hold_unknown") => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) => Outcome::Answered(SubmitOutcome::Unknown { reason }),
    }
}

/// What an upstream says may repeat the prompt, so it is kept with the attempt and logged for debugging only.
async fn conclude(mut held: Held<'_>, outcome: Outcome, plan: &Plan) -> Result<(), StepError> {
    match outcome {
        Outcome::Answered(SubmitOutcome::Accepted { handle }) => {
            let first = pace::of(&held).first;
            match held.accepted(handle, first).await? {
                None => Ok(()),
                Some(held) => resolve::lost(held, resolve::ANOTHERS.to_owned()).await,
            }
        }
        Outcome::Answered(SubmitOutcome::Finished(results)) => collect::finish(held, results).await,
        Outcome::Answered(SubmitOutcome::Unknown { reason }) => resolve::lost(held, reason).await,
        Outcome::Answered(SubmitOutcome::Rejected(failure)) => {
            tracing::info!(task = %held.task.id, kind = failure.kind.name(), "the upstream refused the task");
            tracing::debug!(task = %held.task.id, reason = %failure, "what it said");
            held.apply(TaskEvent::SubmitRejected { reason: failure.to_string() })?;
            failover::try_again(held, failure, plan).await
        }
        Outcome::NotSent(reason) => {
            tracing::info!(task = %held.task.id, reason, "the upstream was not reached");
            held.apply(TaskEvent::SubmitNotSent { reason: reason.clone() })?;
            let failure = Failure::new(FailureKind::NoRoute, "the provider cannot be reached")
                .with_internal(reason)
                .with_retry(Retry::Later);
            failover::try_again(held, failure, plan).await
        }
    }
}

fn no_route(reasons: &[String]) -> Failure {
    Failure::new(FailureKind::NoRoute, "no provider can take this request").with_internal(reasons.join("; "))
}
