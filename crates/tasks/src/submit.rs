//! The step that costs money: choose an account, store the intent, send once, store what the answer proves.

use std::time::Duration;

use domain::{Account, Failure, FailureKind, NewAttempt, Retry, TaskEvent};
use limits::{LimitKey, RateDecision};
use routing::{Candidate, Plan};
use translation::{Provider, SubmitContext, SubmitOutcome};
use upstream::{Outgoing, SendError};

use crate::held::{Held, StepError};
use crate::localize::Unready;
use crate::{clock, collect, failover, localize, pace};

/// How long a task waits at least when its accounts are full. Slots come free at any time, so it is short.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(500);
/// What the lease exceeds the submit timeout by, so that nobody takes over while the answer is being stored.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

enum Choice {
    Send(Box<Sending>),
    Wait(Duration),
    Nobody(Failure),
}

struct Sending {
    account: Account,
    provider: &'static dyn Provider,
    plan: NewAttempt,
    outgoing: Outgoing,
}

pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let plan = held.shared.router.plan_for(&held.task);
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
                held.shared.give_slot_back(&held.task.id);
                return Err(error);
            }
            let outcome = send(&held, *sending).await;
            conclude(held, outcome, &plan).await
        }
    }
}

/// The first candidate that can express the request and has room; its slot is taken.
async fn choose(held: &Held<'_>, plan: &Plan) -> Choice {
    let mut full: Option<Full<'_>> = None;
    let mut reasons = Vec::new();
    for candidate in &plan.candidates {
        let (account, provider) = match expressible(held, candidate) {
            Ok(prepared) => prepared,
            Err(reason) => {
                reasons.push(format!("{}: {reason}", candidate.account));
                continue;
            }
        };
        match reserve(held, account) {
            Err(after) => full = full.filter(|full| full.after <= after).or(Some(Full { account, after })),
            Ok(()) => {
                let prepared = prepare(held, (account, provider), &candidate.upstream_model).await;
                let outgoing = match prepared {
                    Ok(outgoing) => outgoing,
                    Err(unready) => {
                        held.shared.give_slot_back(&held.task.id);
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
                };
                return Choice::Send(Box::new(Sending {
                    account: account.clone(),
                    provider,
                    plan,
                    outgoing,
                }));
            }
        }
    }
    full.map_or_else(|| Choice::Nobody(no_route(&reasons)), |full| Choice::Wait(queue_up(held, &full)))
}

/// An account that may have room again after a while.
struct Full<'a> {
    account: &'a Account,
    after: Duration,
}

fn queue_up(held: &Held<'_>, full: &Full<'_>) -> Duration {
    let spacing = Duration::from_secs(60) / full.account.requests_per_minute.max(1);
    held.shared.lines.queue_up(&full.account.name, full.after, spacing)
}

/// The account and provider of a candidate, if they can express the request at all.
fn expressible<'a>(
    held: &Held<'a>,
    candidate: &Candidate,
) -> Result<(&'a Account, &'static dyn Provider), String> {
    let account = held.shared.accounts.get(&candidate.account).ok_or("not configured")?;
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
    let localizing = localize::localized(held, (account, provider), upstream_model);
    let request =
        tokio::time::timeout(at_most, localizing).await.unwrap_or_else(|_| Err(localize::too_slow(held)))?;
    let number = held.task.attempts.last().map_or(1, |attempt| attempt.number + 1);
    let hints = held.shared.settings.hints.as_ref();
    let callback_url = hints.map(|hints| hints.url(&held.task.id, number));
    let context = SubmitContext {
        attempt_key: &format!("{}.{number}", held.task.id),
        callback_url: callback_url.as_deref(),
        ..SubmitContext::new(upstream_model, &held.shared.settings.base_url)
    };
    let call = provider.encode_submit(&request, &context);
    let call = call.map_err(|error| Unready::Never(no_route(&[format!("{}: {error}", account.name)])))?;
    localize::outgoing(held, call).await.map_err(Unready::Never)
}

/// Takes a slot and a share of the rate, or says how long to wait. Our own limits pace submissions, they fail none.
fn reserve(held: &Held<'_>, account: &Account) -> Result<(), Duration> {
    if !held.shared.take_slot(&held.task.id, account) {
        return Err(FULL_RETRY_AFTER);
    }
    match held.shared.rates.check(&LimitKey::Account(account.name.clone()), account.requests_per_minute) {
        RateDecision::Allowed(_) => Ok(()),
        RateDecision::Denied { retry_after, .. } => {
            held.shared.give_slot_back(&held.task.id);
            Err(retry_after)
        }
    }
}

enum Outcome {
    Answered(SubmitOutcome),
    NotSent(String),
}

async fn send(held: &Held<'_>, sending: Sending) -> Outcome {
    let Sending { account, provider, mut outgoing, .. } = sending;
    outgoing.call = provider.authorize(outgoing.call, &account.credential, clock::now());
    let timeout = held.shared.settings.submit_timeout;
    let outcome = match held.shared.upstream.submit(&account.base_url, outgoing, timeout).await {
        Ok(reply) => Outcome::Answered(provider.decode_submit_of(&held.task.request, &reply)),
        Err(SendError::NotSent(reason)) => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) if failpoints::removed("hold_unknown") => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) => Outcome::Answered(SubmitOutcome::Unknown { reason }),
    };
    let label = match &outcome {
        Outcome::NotSent(_) => "not_sent",
        Outcome::Answered(SubmitOutcome::Accepted { .. } | SubmitOutcome::Finished(_)) => "accepted",
        Outcome::Answered(SubmitOutcome::Rejected(_)) => "rejected",
        Outcome::Answered(SubmitOutcome::Unknown { .. }) => "unknown",
    };
    held.shared.metrics.submitted(account.name.as_str(), label);
    outcome
}

/// What an upstream says may repeat the prompt, so it is kept with the attempt and logged for debugging only.
async fn conclude(mut held: Held<'_>, outcome: Outcome, plan: &Plan) -> Result<(), StepError> {
    match outcome {
        Outcome::Answered(SubmitOutcome::Accepted { handle }) => {
            held.apply(TaskEvent::Accepted { handle })?;
            let first = pace::of(&held).first;
            held.done(first).await
        }
        Outcome::Answered(SubmitOutcome::Finished(results)) => {
            // It has nothing to ask for any more, hence no handle.
            held.apply(TaskEvent::Accepted { handle: String::new() })?;
            collect::finish(held, results).await
        }
        Outcome::Answered(SubmitOutcome::Unknown { reason }) => {
            tracing::warn!(task = %held.task.id, "whether the upstream took the task is not known; it is held");
            tracing::debug!(task = %held.task.id, reason, "why it is not known");
            held.apply(TaskEvent::SubmitUnknown { reason })?;
            let hold = held.shared.settings.unknown_hold;
            held.done(hold).await
        }
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
