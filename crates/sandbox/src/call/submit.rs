//! A submit: read, accepted, and answered at once or with the result.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{deliver, hang, host_of, pause, plan_call, read_whole, refusal_of};
use crate::apis::{Answer, Api, Made, Place, Product, Refusal};
use crate::callback;
use crate::desk::{Desk, Submission, now_ms};
use crate::faults::{CallFault, CallKind, CallPlan, Fate, Faults};
use crate::media::{MediaError, Motif};
use crate::reply::{self, Reply};
use crate::task::{Kind, Order, OwnName, Progress, Task};

/// Says that an answer is one to an earlier submit.
const REPLAYED: &str = "idempotency-replayed";

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
    own_name: Option<OwnName>,
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
    /// Whether an earlier submit has made the task.
    is_repeated: bool,
}

/// Answered with the task's id.
pub(super) async fn at_once(desk: &Arc<Desk>, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Reply {
    match accept(desk, ask, (head, body)).await {
        Ok(Accepted { task, plan, is_repeated, .. }) => {
            let reused = (plan.fault == Some(CallFault::Reuse)).then(|| desk.task_before(ask.api, &task));
            let named = reused.flatten().unwrap_or(task);
            let mut response = reply::json(&ask.api.encode_accepted(&named.id, &ask.place));
            if is_repeated {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            deliver(desk, plan, response).await
        }
        Err(refused) => refused,
    }
}

/// Answered with the result, when there is one.
pub(super) async fn with_result(desk: &Arc<Desk>, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Reply {
    let Accepted { task, body, plan, .. } = match accept(desk, ask, (head, body)).await {
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
async fn accept(
    desk: &Arc<Desk>,
    ask: &Ask<'_>,
    (head, body): (&Parts, Incoming),
) -> Result<Accepted, Reply> {
    let api = ask.api;
    desk.counters.count_call_with(api.key_in(&head.headers), format!("{}.submit", api.name()));
    let refuse = |refusal: &Refusal| reply::json(&api.encode_refusal(refusal));
    let taken = take(desk, ask, (head, body)).await;
    let Taken { order, own_name, body, body_bytes, faults } =
        taken.map_err(|refusal| Ok(refuse(&refusal)))?;
    let _turn = match &own_name {
        Some(name) => Some(desk.turn(name).await),
        None => None,
    };
    if let Some(earlier) = own_name.as_ref().and_then(|name| desk.task_named(api, &name.text)) {
        return repeat(desk, api, (earlier, own_name, body)).await;
    }
    let plan = plan_call(desk, CallKind::Submit, &faults);
    if let Some(refusal) = refusal_of(plan) {
        return Err(deliver(desk, plan, refuse(&refusal)).await);
    }
    let (made_from, kept) = (ask.from.map(str::to_owned), body.clone());
    let answer_fault = plan.fault;
    let submission = Submission { api, order, own_name, made_from, body: kept, body_bytes, answer_fault };
    match desk.accept(submission, &faults).await {
        Ok(task) => {
            tell(desk, ask, (head, &body), (&task, &faults));
            Ok(Accepted { task, body, plan, is_repeated: false })
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a submit was not accepted");
            Err(deliver(desk, plan, refuse(&Refusal::Broken)).await)
        }
    }
}

/// An order whose name is taken by an `earlier` one. The words in its prompt were for that one.
async fn repeat(
    desk: &Desk,
    api: &dyn Api,
    (earlier, own_name, body): (Arc<Task>, Option<OwnName>, Value),
) -> Result<Accepted, Reply> {
    let plan = plan_call(desk, CallKind::Submit, &desk.faults);
    let refusal = match refusal_of(plan) {
        None if api.repeats() && earlier.own_name == own_name => {
            return Ok(Accepted { task: earlier, body, plan, is_repeated: true });
        }
        None => Refusal::Invalid("The name or key of the request is taken by another one.".into()),
        Some(refusal) => refusal,
    };
    Err(deliver(desk, plan, reply::json(&api.encode_refusal(&refusal))).await)
}

/// Sees to it that whom the submit names is told of the task's end.
fn tell(
    desk: &Arc<Desk>,
    ask: &Ask<'_>,
    (head, body): (&Parts, &Value),
    (task, faults): (&Arc<Task>, &Faults),
) {
    let listener = ask.api.listener(body, head.uri.query().unwrap_or_default());
    let Some(url) = listener.filter(|_| task.ends()) else { return };
    if !faults.plan_callback(fastrand::f64) {
        return desk.counters.count_fault("callback:off");
    }
    let progress = task.progress(task.finished_at_ms());
    let media_url = format!("http://{}{}", host_of(head), task.media_path());
    let message = ask.api.encode_told(task, progress, &media_url, &ask.place);
    callback::schedule(desk, task, &url, message.to_string().into());
}

/// Reads a submit whole.
async fn take(desk: &Desk, ask: &Ask<'_>, (head, body): (&Parts, Incoming)) -> Result<Taken, Refusal> {
    let bytes = read_whole(body).await?;
    let (body, body_bytes) = (ask.api.read(&head.headers, &bytes)?, bytes.len());
    desk.admit(ask.api.key_in(&head.headers))?;
    let order = order(desk, ask, &body)?;
    let faults = desk.faults_of(&order.prompt).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let text = ask.api.own_name(&head.headers, &body)?;
    let own_name = text.map(|text| OwnName { text, body_sha256: digest(&bytes) });
    Ok(Taken { order, own_name, body, body_bytes, faults })
}

/// In hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
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
