//! The spans of the work on one task. All stand in the trace of its request, whichever process works, and whenever.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Task, TaskId, TaskState, Timestamp};
use telemetry::trace;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::shared::Shared;

/// The span of one step with a task.
pub(crate) fn step(task: &Task) -> Span {
    let name = match task.state {
        TaskState::Queued => "submit",
        TaskState::Submitting { .. } | TaskState::Unknown { .. } => "resolve",
        TaskState::Running { .. } => "poll",
        TaskState::Collecting { .. } => "collect",
        _ => "end",
    };
    work(name, task)
}

/// The span of a look at a task that has ended.
pub(crate) fn look(task: &Task) -> Span {
    work("look", task)
}

fn work(name: &'static str, task: &Task) -> Span {
    let span = info_span!(
        "step",
        "otel.name" = name,
        task_id = %task.id,
        trace_id = Empty,
        account = Empty,
        "filmgate.model" = task.request.model,
        "filmgate.outcome" = Empty,
        "error.type" = Empty,
    );
    if let Some(attempt) = task.attempt() {
        span.record("account", attempt.plan.account.as_str());
    }
    if let Some(trace) = &task.request.trace {
        trace::continue_from(&span, &trace.context);
    }
    span
}

/// The span of copying results.
pub(crate) fn copying() -> Span {
    info_span!("copy", "otel.name" = "copy results", "error.type" = Empty)
}

/// The span of one try to tell a client's own server. Messages do not know their trace, so the task is asked, if anybody
/// wants to know.
pub(crate) async fn delivery(shared: &Shared, id: &TaskId, tries: u32) -> Span {
    let span = info_span!(
        "deliver",
        task_id = %id,
        trace_id = Empty,
        "filmgate.delivery.try" = tries,
        "filmgate.outcome" = Empty,
        "error.type" = Empty,
    );
    if trace::is_on()
        && let Ok(Some(task)) = shared.store.load(id).await
        && let Some(trace) = &task.request.trace
    {
        trace::continue_from(&span, &trace.context);
    }
    span
}

/// What the work of the span at hand has come to.
pub(crate) fn outcome(name: &str) {
    Span::current().record("filmgate.outcome", name);
}

/// The same for what has gone wrong.
pub(crate) fn failed(kind: &str) {
    let span = Span::current();
    span.record("filmgate.outcome", kind);
    span.record("error.type", kind);
}

/// Tells the trace of the whole task, which has just ended: the parent of all its other spans.
pub(crate) fn ended(task: &Task) {
    let Some(trace) = task.request.trace.as_ref().filter(|_| trace::is_on()) else { return };
    let span = info_span!(
        "generation",
        task_id = %task.id,
        "filmgate.model" = task.request.model,
        "filmgate.scope" = task.request.scope.as_str(),
        "filmgate.attempts" = task.attempts.len() as u64,
        "filmgate.account" = task.attempt().map(|attempt| attempt.plan.account.as_str()),
        "filmgate.outcome" = task.state.name(),
        "error.type" = Empty,
    );
    match &task.state {
        TaskState::Failed { failure, .. } => drop(span.record("error.type", failure.kind.name())),
        TaskState::Expired { .. } => drop(span.record("error.type", "expired")),
        _ => {}
    }
    trace::tell_task(&span, trace, system_time(task.created_at));
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}
