//! How a task stands, as a prediction.

use domain::{Task, TaskState, Timestamp};
use serde_json::Value;

use super::names;
use super::wire::{Input, Metrics, Prediction, Urls, VERSION, status};
use crate::{Links, rfc3339, web};

/// Where predictions are made, listed and read.
pub(super) const PATH: &str = "/v1/predictions";

/// The prediction that a task is.
pub(super) fn of(task: &Task, links: &Links) -> Prediction {
    let (status, error) = standing(&task.state);
    let url = format!("{}{PATH}/{}", links.base_url, web::component(task.id.as_str()));
    let input = Input::of(&task.request, &links.base_url);
    Prediction {
        id: task.id.as_str().to_owned(),
        model: names::name_of(&task.request.model),
        version: VERSION.to_owned(),
        input: serde_json::to_value(input).expect("texts and numbers encode"),
        output: output(&task.state, &links.base_url),
        error: error.map_or(Value::Null, Value::from),
        logs: String::new(),
        metrics: metrics(task),
        status: status.to_owned(),
        urls: Urls { cancel: format!("{url}/cancel"), get: url },
        created_at: rfc3339::text(task.created_at),
        started_at: task.started_at().map(rfc3339::text),
        completed_at: task.state.ended_at().map(rfc3339::text),
    }
}

/// The word of `status`, and the reason of a failure.
fn standing(state: &TaskState) -> (&'static str, Option<&str>) {
    match state {
        TaskState::Queued => (status::STARTING, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::PROCESSING, None),
        TaskState::Succeeded { .. } => (status::SUCCEEDED, None),
        TaskState::Failed { failure, .. } => (status::FAILED, Some(&failure.public)),
        TaskState::Cancelled { .. } => (status::CANCELED, None),
        TaskState::Expired { .. } => (status::FAILED, Some("the task was not finished before its deadline")),
    }
}

/// One URL as a text, several as a list.
fn output(state: &TaskState, base_url: &str) -> Value {
    let TaskState::Succeeded { outputs, .. } = state else { return Value::Null };
    let urls: Vec<String> = outputs.iter().map(|output| output.url(base_url)).collect();
    match &urls[..] {
        [url] => Value::from(url.as_str()),
        _ => Value::from(urls),
    }
}

fn metrics(task: &Task) -> Metrics {
    let TaskState::Succeeded { at, .. } = task.state else { return Metrics::default() };
    let until_end = |from: Timestamp| at.since(from).as_secs_f64();
    Metrics { predict_time: task.started_at().map(until_end), total_time: Some(until_end(task.created_at)) }
}
