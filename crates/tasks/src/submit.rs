//! The step that costs money: choose an account, store the intent, send once, store what the answer proves.

use std::time::Duration;

use domain::{Account, AccountName, Failure, FailureKind, Retry, Task, TaskEvent, TaskId};
use routing::{Asked, Plan};
use tracing::Span;
use translation::{Provider, SubmitContext, SubmitOutcome};
use upstream::{Outgoing, SendError};

use crate::choose::{self, Choice, Sending};
use crate::held::{Held, StepError};
use crate::localize::Unready;
use crate::queue::{Place, Turn};
use crate::shared::Shared;
use crate::{SAID, clock, collect, failover, health, localize, pace, resolve, spans};

/// How long a task waits for room in the spool.
const SPOOL_FULL_RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a task waits for which somebody takes or gives back a slot at this moment.
const BUSY_RETRY_AFTER: Duration = Duration::from_millis(100);

pub(crate) async fn step(held: Held<'_>) -> Result<(), StepError> {
    let shared = held.shared;
    let _to_its_end = held.grip.busy();
    if shared.stopping.is_begun() {
        return held.set_aside(Duration::ZERO).await;
    }
    let Some(_room_for_its_id) = shared.spool.reserve() else {
        return held.put_back(SPOOL_FULL_RETRY_AFTER).await;
    };
    let granted = match shared.waiting.begin(&held.task.id) {
        Turn::Open => None,
        Turn::Granted(account) => Some(account),
        Turn::Busy => return held.put_back(BUSY_RETRY_AFTER).await,
    };
    let plan = first_plan(&held, granted.as_ref());
    match choose::choose(&held, &plan, granted).await {
        // Others go on with it.
        Choice::Queue(_) if shared.stopping.is_begun() => held.put_back(Duration::ZERO).await,
        Choice::Queue(places) => queue_up(held, &places).await,
        Choice::Send(sending) => {
            shared.waiting.leave(&held.task.id);
            if shared.stopping.is_begun() {
                choose::give_up(&held, &sending).await;
                return held.put_back(Duration::ZERO).await;
            }
            send(held, *sending).await
        }
        Choice::Later(after) => {
            shared.waiting.leave(&held.task.id);
            held.put_back(after).await
        }
        Choice::Nobody(failure) => held.fail(failure).await,
    }
}

/// Lets the task wait for room. It looks again by itself after a while, which is how it comes back after a crash.
async fn queue_up(held: Held<'_>, places: &[Place]) -> Result<(), StepError> {
    let (shared, id) = (held.shared, held.task.id.clone());
    let left = held.task.deadline_at.since(clock::now());
    let look_after = shared.waiting.join(&held.task, places).min(left);
    held.put_back(look_after).await?;
    // If its turn came before it was put back, it could not be made due then.
    if shared.waiting.is_granted(&id) {
        let due = shared.store.make_due(&id).await;
        due.map_err(|source| StepError::Store { task: id, source })?;
        shared.wake.notify_one();
    }
    Ok(())
}

async fn send(mut held: Held<'_>, sending: Sending) -> Result<(), StepError> {
    let shared = held.shared;
    let Sending { account, provider, plan: attempt, outgoing, begun } = sending;
    held.apply(TaskEvent::SubmitIntended { plan: attempt })?;
    let lease = held.submit_lease();
    if failpoints::removed("intent_first") {
        tracing::warn!("the intent is not stored");
    } else if let Err(error) = held.keep(lease).await {
        // Nothing was sent. If the intent is stored all the same, a later claim finds it and asks, never sends.
        shared.health.abandon(&account, begun);
        shared.give_back(&held.task.id).await;
        return Err(error);
    }
    shared.slots.confirm(&held.task.id).await;
    if held.task.attempts.len() == 1 {
        shared.metrics.accounts.left_queue(&account.name, clock::now().since(held.task.created_at));
    }
    let sent = provider.key_lifetime().map(|_is_known| resolve::digest(&outgoing.call));
    let outcome = post(&held, (&account, provider), outgoing).await;
    shared.metrics.submitted(account.name.as_str(), outcome.name());
    Span::current().record("account", account.name.as_str());
    match outcome.name() {
        "accepted" => spans::outcome("accepted"),
        lost => spans::failed(lost),
    }
    health::answered(shared, &account, begun, &outcome);
    if let (Some(digest), Outcome::Answered(SubmitOutcome::Unknown { .. })) = (sent, &outcome) {
        shared.lost.sent(&held.task.id, digest);
    }
    // For as long as nobody else takes the task: what is known now may never be known again.
    held.insist(shared.settings.lease);
    conclude(held, outcome).await
}

/// The call for real, with the inputs where the provider can read them.
pub(crate) async fn prepare(
    held: &Held<'_>,
    (account, provider): (&Account, &'static dyn Provider),
    upstream_model: &str,
) -> Result<Outgoing, Unready> {
    // Another worker must not take over meanwhile: nothing is stored yet, and the slot would be counted wrongly.
    let at_most = held.shared.settings.lease / 2;
    let number = held.task.attempts.last().map_or(1, |attempt| attempt.number + 1);
    let encoding = encode(held, (account, provider), (upstream_model, number));
    tokio::select! {
        biased;
        encoded = tokio::time::timeout(at_most, encoding) => {
            encoded.unwrap_or_else(|_| Err(localize::too_slow(held)))
        }
        () = held.shared.stopping.handing_over() => Err(Unready::Later(Duration::ZERO)),
    }
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
    let call = call.map_err(|error| Unready::Never(inexpressible(account, &error)))?;
    localize::outgoing(held, call).await.map_err(Unready::Never)
}

/// What names an attempt to upstreams that know keys of idempotency or names of ours.
pub(crate) fn attempt_key(task: &TaskId, number: u32) -> String {
    format!("{task}.{number}")
}

/// Whom to try for a task that wants to be submitted. It has its turn if it comes for the first time.
fn first_plan(held: &Held<'_>, granted: Option<&AccountName>) -> Plan {
    let (health, model) = (&held.shared.health, &held.task.request.model);
    let is_new = held.task.attempts.is_empty() && granted.is_none();
    let turn = if is_new { health.take_turn(model) } else { health.turn(model) };
    plan_in_turn(held.shared, &held.task, turn)
}

/// Whom to try next for the task.
pub(crate) fn plan(shared: &Shared, task: &Task) -> Plan {
    plan_in_turn(shared, task, shared.health.turn(&task.request.model))
}

fn plan_in_turn(shared: &Shared, task: &Task, turn: u64) -> Plan {
    let setup = shared.setup.get();
    setup.router.plan(&Asked::task(task, turn), &|candidate| shared.health.condition(&setup, candidate))
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
    if !held.may_send() {
        return Outcome::NotSent("the lease ends too soon: this process was held up".to_owned());
    }
    match held.shared.upstream.submit(&account.base_url, outgoing, timeout).await {
        Ok(reply) => Outcome::Answered(provider.decode_submit_of(&held.task.request, &reply)),
        Err(SendError::NotSent(reason)) => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) if failpoints::removed("hold_unknown") => Outcome::NotSent(reason),
        Err(SendError::Unanswered(reason)) => Outcome::Answered(SubmitOutcome::Unknown { reason }),
    }
}

/// What an upstream says may repeat the prompt, so it is kept with the attempt and logged for debugging only.
async fn conclude(mut held: Held<'_>, outcome: Outcome) -> Result<(), StepError> {
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
            tracing::info!(kind = failure.kind.name(), "the upstream refused the task");
            tracing::debug!(target: SAID, reason = %failure, "what it said");
            held.apply(TaskEvent::SubmitRejected { reason: failure.to_string() })?;
            failover::try_again(held, failure).await
        }
        Outcome::NotSent(reason) => {
            tracing::info!(reason, "the upstream was not reached");
            held.apply(TaskEvent::SubmitNotSent { reason: reason.clone() })?;
            let failure = Failure::new(FailureKind::NoRoute, "the provider cannot be reached")
                .with_internal(reason)
                .with_retry(Retry::Later);
            failover::try_again(held, failure).await
        }
    }
}

fn inexpressible(account: &Account, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::NoRoute, "no provider can take this request")
        .with_internal(format!("{}: {error}", account.name))
}
