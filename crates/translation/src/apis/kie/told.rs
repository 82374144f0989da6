//! What kie tells a client's own server at the end of a task.

use domain::{Derivation, FailureKind, Reply, Scope, Task, TaskState};

use super::more_wire::{Info, Told};
use super::standing::{coded, job_record, standing, urls};
use crate::{Links, cost};

/// What a callback notes of a job.
pub(super) const AS_JOB: &str = "job";

/// The message to a client's own server: of a job its record, of a Veo task a shape of its own.
pub(super) fn encode_callback(task: &Task, links: &Links) -> Reply {
    let standing = standing(&task.state);
    let reason = standing.failure.map(|(_, reason)| reason);
    if is_job(task) {
        let code = if reason.is_some() { 501 } else { 200 };
        return coded(code, reason.unwrap_or("success"), Some(job_record(task, &standing, links)));
    }
    let derivation = task.request.basis.as_ref().map(|basis| basis.derivation);
    let is_enlarged = derivation == Some(Derivation::Upscale);
    let info = reason.is_none().then(|| Info {
        result_urls: urls(standing.outputs, links),
        origin_urls: (!is_enlarged).then(Vec::new),
        image_urls: is_enlarged.then(Vec::new),
        resolution: task.request.output.resolution.clone().filter(|_| !is_enlarged),
    });
    let told = Told {
        task_id: task.id.as_str().to_owned(),
        credits_consumed: cost::spent(task).filter(|_| is_enlarged),
        info,
        fallback_flag: (!is_enlarged).then_some(false),
    };
    coded(code(&task.state), reason.unwrap_or("success"), Some(told))
}

/// By what the client called; only a task of another API leaves that open.
fn is_job(task: &Task) -> bool {
    match &task.request.callback {
        Some(callback) => callback.events.iter().any(|event| event == AS_JOB),
        None => task.request.scope != Scope::Videos,
    }
}

/// kie has four codes for a clip that failed: refused by its own rules, refused by the maker of the model, a fault of
/// its own, and a generation that failed.
fn code(state: &TaskState) -> i64 {
    match state {
        TaskState::Failed { failure, .. } => match failure.kind {
            FailureKind::ContentPolicy => 400,
            FailureKind::UpstreamRejected => 422,
            FailureKind::GenerationFailed => 501,
            _ => 500,
        },
        TaskState::Cancelled { .. } => 501,
        TaskState::Expired { .. } => 500,
        _ => 200,
    }
}
