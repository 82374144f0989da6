//! How a task stands, in kie's words: as the record of a Veo task, as that of a job, and as a larger clip.

use domain::{FailureKind, Output, Reply, Task, TaskState, Timestamp};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::more_wire::{Enlarged, Enlarged4k};
use super::wire::{Envelope, GET_4K, JobRecord, Record, ResultUrls, state};
use crate::{Links, answer, cost};

/// How a task stands, in the words of both shapes.
pub(super) struct Standing<'a> {
    /// Of a Veo task: 0 at work, 1 finished, 2 refused, 3 failed.
    pub(super) flag: i64,
    /// Of a job.
    pub(super) state: &'static str,
    /// The code and the reason of a failure.
    pub(super) failure: Option<(i64, &'a str)>,
    pub(super) outputs: &'a [Output],
}

/// A reply without an error.
pub(super) fn said<T: Serialize>(text: &str, data: T) -> Reply {
    coded(200, text, Some(data))
}

/// A reply with a code of kie's.
pub(super) fn coded<T: Serialize>(code: i64, text: &str, data: Option<T>) -> Reply {
    let body = Envelope { code: Some(code), msg: text.to_owned(), message: text.to_owned(), data };
    answer::json(StatusCode::OK, &body)
}

/// The reply to a request for a larger clip, at the path that makes it. One that is not ready yet is told by the codes
/// of a refusal, and by words that clients look for.
pub(super) fn enlarged(path: &str, task: &Task, links: &Links) -> Reply {
    let standing = standing(&task.state);
    let urls = urls(standing.outputs, links);
    let is_4k = path == GET_4K;
    let (code, text) = match (standing.failure, standing.flag) {
        (Some((code, reason)), _) => (code, reason),
        (None, 1) => (200, "success"),
        (None, _) if is_4k => (422, "4k is processing. Please check back in a few minutes."),
        (None, _) => (400, "1080P is processing. Please check back in a minute or two."),
    };
    let result_url = urls.first().cloned().unwrap_or_default();
    if is_4k {
        let clip = Enlarged { task_id: task.id.as_str().to_owned(), result_url, ..Enlarged::default() };
        let result_urls = (!urls.is_empty()).then_some(urls);
        return coded(code, text, Some(Enlarged4k { clip, result_urls, image_urls: None }));
    }
    let clip = (code == 200).then(|| Enlarged { result_url, ..Enlarged::default() });
    coded(code, text, clip)
}

/// The record of a Veo task.
pub(super) fn record(task: &Task, standing: &Standing<'_>, links: &Links) -> Record {
    let (error_code, error_message) = standing.failure.unzip();
    let urls = urls(standing.outputs, links);
    Record {
        task_id: task.id.as_str().to_owned(),
        param_json: json!({ "prompt": task.request.prompt, "model": task.request.model }).to_string(),
        complete_time: task.state.ended_at().map(Timestamp::as_millis),
        response: (!urls.is_empty()).then(|| ResultUrls {
            task_id: task.id.as_str().to_owned(),
            result_urls: urls.clone(),
            resolution: task.request.output.resolution.clone().unwrap_or_default(),
            ..ResultUrls::default()
        }),
        success_flag: Some(standing.flag),
        error_code,
        error_message: error_message.unwrap_or_default().to_owned(),
        create_time: Some(task.created_at.as_millis()),
        fallback_flag: false,
        status: Some(standing.flag),
        result_urls: urls,
    }
}

/// The record of a job.
pub(super) fn job_record(task: &Task, standing: &Standing<'_>, links: &Links) -> JobRecord {
    let (fail_code, fail_msg) = standing.failure.unzip();
    let urls = urls(standing.outputs, links);
    let created_at = task.created_at.as_millis();
    let ended_at = task.state.ended_at().map(Timestamp::as_millis);
    let asked = json!({ "model": task.request.model, "input": { "prompt": task.request.prompt } });
    JobRecord {
        task_id: task.id.as_str().to_owned(),
        model: task.request.model.clone(),
        state: standing.state.to_owned(),
        param: asked.to_string(),
        result_json: match urls.is_empty() {
            true => String::new(),
            false => {
                let results = ResultUrls { result_urls: urls, ..ResultUrls::default() };
                serde_json::to_string(&results).expect("texts encode")
            }
        },
        fail_code: fail_code.map(|code| code.to_string()).unwrap_or_default(),
        fail_msg: fail_msg.unwrap_or_default().to_owned(),
        cost_time: ended_at.map(|at| (at - created_at).max(0) / 1000),
        complete_time: ended_at,
        create_time: Some(created_at),
        update_time: ended_at.or(task.started_at().map(Timestamp::as_millis)).or(Some(created_at)),
        consume_credits: cost::spent(task),
    }
}

/// The URLs that the client is given.
pub(super) fn urls(outputs: &[Output], links: &Links) -> Vec<String> {
    outputs.iter().map(|output| output.url(&links.base_url)).collect()
}

/// How a task stands.
pub(super) fn standing(state: &TaskState) -> Standing<'_> {
    let at_work = |state| Standing { flag: 0, state, failure: None, outputs: &[] };
    let failed = |kind, reason| {
        let flag = if kind == FailureKind::ContentPolicy { 2 } else { 3 };
        Standing { flag, state: state::FAIL, failure: Some((error_code(kind), reason)), outputs: &[] }
    };
    match state {
        TaskState::Queued => at_work(state::WAITING),
        TaskState::Submitting { .. } | TaskState::Unknown { .. } => at_work(state::QUEUING),
        TaskState::Running { .. } | TaskState::Collecting { .. } => at_work(state::GENERATING),
        TaskState::Succeeded { outputs, .. } => {
            Standing { flag: 1, state: state::SUCCESS, failure: None, outputs }
        }
        TaskState::Failed { failure, .. } => failed(failure.kind, &failure.public),
        TaskState::Cancelled { .. } => failed(FailureKind::GenerationFailed, "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed(FailureKind::Expired, "the task was not finished before its deadline")
        }
    }
}

/// The code of a task's failure: kie has three.
fn error_code(kind: FailureKind) -> i64 {
    match kind {
        FailureKind::ContentPolicy => 400,
        FailureKind::GenerationFailed | FailureKind::UpstreamRejected => 501,
        _ => 500,
    }
}
