//! A submit: read, accepted, and answered at once or with the result.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Value;

use super::{deliver, hang, host_of, pause, plan_call, read_whole, refusal_of};
use crate::apis::{Answer, Api, Made, Place, Product, Refusal};
use crate::desk::{Desk, Submission, now_ms};
use crate::faults::{CallKind, CallPlan, Fate, Faults};
use crate::media::{MediaError, Motif};
use crate::reply::{self, Reply};
use crate::task::{Kind, Order, Progress, Task};

/// What a submit asks for.
pub(super) struct Ask<'a> {
    pub(super) api: &'a dyn Api,
    pub(super) kind: Kind,
    pub(super) place: Place<'a>,
    /// The id of the earlier task that something shall be made from.
    pub(super) from: Option<&'a str>,
}

/// A submit that can be accepted.
struct Taken {
    order: Order,
    body: Value,
    body_bytes: usize,
    faults: Faults,
}

/// A task that was accepted.
struct Accepted {
    task: Arc<Task>,
    body: Value,
    /// How well the submit is answered.
    plan: CallPlan,
}

/// Answered with the task's id.
pub(super) async fn at_once(desk: &Desk, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Reply {
    match accept(desk, ask, (head, body)).await {
        Ok(Accepted { task, plan, .. }) => {
            deliver(desk, plan, reply::json(&ask.api.encode_accepted(&task.id, &ask.place))).await
        }
        Err(refused) => refused,
    }
}

/// Answered with the result, when there is one.
pub(super) async fn with_result(desk: &Desk, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Reply {
    let Accepted { task, body, plan } = match accept(desk, ask, (head, body)).await {
        Ok(accepted) => accepted,
        Err(refused) => return refused,
    };
    if task.fate == Fate::Never {
        return hang(desk).await;
    }
    while !task.has_ended(now_ms()) {
        pause(desk, Duration::from_millis(task.finished_at_ms().saturating_sub(now_ms()))).await?;
    }
    let progress = task.progress(now_ms());
    let made =
        if progress == Progress::Succeeded { make(desk, &task, host_of(head)).await } else { Ok(vec![]) };
    let response = match made {
        Ok(made) => match ask.api.encode_result(&task, progress, &made, &body) {
            Product::Answer(answer) => reply::json(&answer),
            Product::File { media_type, bytes } => reply::bytes(http::StatusCode::OK, media_type, bytes),
        },
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "media could not be had");
            reply::json(&ask.api.encode_refusal(&Refusal::Broken))
        }
    };
    deliver(desk, plan, response).await
}

/// The answer to a poll that holds the results of a task.
pub(super) async fn delivered(
    desk: &Desk,
    api: &dyn Api,
    task: &Task,
    (host, place): (&str, &Place<'_>),
) -> Answer {
    match make(desk, task, host).await {
        Ok(made) => api.encode_made(task, &made, place),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "media could not be had");
            api.encode_refusal(&Refusal::Broken)
        }
    }
}

async fn make(desk: &Desk, task: &Task, host: &str) -> Result<Vec<Made>, MediaError> {
    let mut made = Vec::new();
    for nth in 0..task.count {
        let file = desk.studio.open_file(Motif::of(&task.order, nth)).await?;
        made.push(Made { file, url: format!("http://{host}{}", task.nth_media_path(nth)) });
    }
    Ok(made)
}

/// Accepts a task, or refuses it.
async fn accept(desk: &Desk, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Result<Accepted, Reply> {
    let api = ask.api;
    desk.counters.count_call(format!("{}.submit", api.name()));
    let refuse = |refusal: &Refusal| reply::json(&api.encode_refusal(refusal));
    let taken = take(desk, ask, (head, body)).await;
    let Taken { order, body, body_bytes, faults } = taken.map_err(|refusal| Ok(refuse(&refusal)))?;
    let plan = plan_call(desk, CallKind::Submit, &faults);
    if let Some(refusal) = refusal_of(plan) {
        return Err(deliver(desk, plan, refuse(&refusal)).await);
    }
    let (made_from, kept) = (ask.from.map(str::to_owned), body.clone());
    let submission = Submission { api, order, made_from, body: kept, body_bytes, answer_fault: plan.fault };
    match desk.accept(submission, &faults).await {
        Ok(task) => Ok(Accepted { task, body, plan }),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a submit was not accepted");
            Err(deliver(desk, plan, refuse(&Refusal::Broken)).await)
        }
    }
}

/// Reads a submit whole.
async fn take(desk: &Desk, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Result<Taken, Refusal> {
    let bytes = read_whole(body).await?;
    let (body, body_bytes) = (ask.api.read(&head.headers, &bytes)?, bytes.len());
    desk.admit(ask.api.key_in(&head.headers))?;
    let order = order(desk, ask, &body)?;
    let faults = desk.faults_of(&order.prompt).map_err(|error| Refusal::Invalid(error.to_string()))?;
    Ok(Taken { order, body, body_bytes, faults })
}

fn order(desk: &Desk, ask: &Ask<'_>, body: &Value) -> Result<Order, Refusal> {
    let Some(id) = ask.from else { return ask.api.decode(ask.kind, &ask.place, body) };
    let earlier = desk.task(ask.api, id).filter(|task| task.order.kind == ask.kind);
    let earlier = earlier.ok_or(Refusal::UnknownTask)?;
    match earlier.progress(now_ms()) {
        Progress::Succeeded => ask.api.decode_derived(&earlier, body),
        _ => Err(Refusal::Invalid(format!("{id} has not been completed."))),
    }
}
