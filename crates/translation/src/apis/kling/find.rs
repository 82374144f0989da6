//! A submission whose answer was lost, by our own name for it: a task is found by its `external_task_id` where it is found
//! by its id.

use domain::{Call, Reply};
use http::StatusCode;

use super::wire::Envelope;
use crate::refusal::puzzling;
use crate::{Found, LostSubmission, web};

/// The code of what does not exist.
const NOT_FOUND: i64 = 1203;

/// The call that asks for it on the path that it was submitted to.
pub(super) fn encode(path: &str, lost: &LostSubmission<'_>) -> Option<Call> {
    let has_name = !lost.attempt_key.is_empty();
    has_name.then(|| Call::get(format!("{path}/{}", web::component(lost.attempt_key))))
}

/// Whether it is there.
pub(super) fn decode(lost: &LostSubmission<'_>, reply: &Reply) -> Found {
    let unclear = |what: &str| Found::Unclear { reason: puzzling(what, reply) };
    let envelope: Envelope = serde_json::from_slice(&reply.body).unwrap_or_default();
    let task = match (envelope.code, envelope.data) {
        (Some(0), Some(task)) if reply.status.is_success() => task,
        (Some(NOT_FOUND), _) if reply.status == StatusCode::NOT_FOUND => return Found::Absent,
        _ => return unclear("not a word on the task"),
    };
    let name = task.task_info.unwrap_or_default().external_task_id;
    if !name.is_empty() && name != lost.attempt_key {
        return unclear("a task of another name");
    }
    match web::handle(&task.task_id) {
        Ok(handle) => Found::Tasks(vec![handle]),
        Err(problem) => unclear(&problem),
    }
}
