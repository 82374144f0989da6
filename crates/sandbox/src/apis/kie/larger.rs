//! The same clip in 1080p and 4k, some time after it has succeeded.
//! Rules from <https://docs.kie.ai/veo3-api/get-veo-3-1080-p-video> and `get-veo-3-4k-video`.
//!
//! Deliberately absent: other clips than the first of a task; in 4k, an order before it is asked for.

use serde_json::{Value, json};

use super::{answer, invalid, is_web_url};
use crate::apis::{Answer, Refusal, field, text_field};
use crate::task::{Progress, Task};

pub(super) const GET_1080P: &str = "/api/v1/veo/get-1080p-video";
pub(super) const GET_4K: &str = "/api/v1/veo/get-4k-video";

/// Whether a path is for larger clips.
pub(super) fn is_asked_at(path: &str) -> bool {
    matches!(path, GET_1080P | GET_4K)
}

/// The task in the body of a request for 4k.
pub(super) fn decode(body: &Value) -> Result<String, Refusal> {
    if field(body, "index").is_some_and(|index| !index.is_u64()) {
        return invalid("index must be a number");
    }
    if field(body, "callBackUrl").is_some_and(|url| !is_web_url(url)) {
        return invalid("callBackUrl must be an http or https URL");
    }
    let id = text_field(body, "taskId")?.ok_or_else(|| Refusal::Invalid("taskId is required".into()))?;
    Ok(id.to_owned())
}

/// The answer, whose code refuses as long as there is no clip.
pub(super) fn encode(path: &str, task: &Task, progress: Progress, media_url: &str) -> Answer {
    match (path, progress) {
        (GET_4K, Progress::Succeeded) => {
            let data = json!({ "taskId": task.id, "resultUrls": [media_url], "imageUrls": [] });
            answer(200, "success", data)
        }
        (_, Progress::Succeeded) => answer(200, "success", json!({ "resultUrl": media_url })),
        (_, Progress::Failed | Progress::Refused) => answer(422, "The task has no video.", Value::Null),
        (GET_4K, _) => {
            let text = "4k is processing. It should be ready in 5-10 minutes. Please check back shortly.";
            answer(422, text, json!({ "taskId": task.id, "resultUrls": null, "imageUrls": null }))
        }
        _ => {
            let text = "1080P is processing. It should be ready in 1-2 minutes. Please check back shortly.";
            answer(400, text, Value::Null)
        }
    }
}
