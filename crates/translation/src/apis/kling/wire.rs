//! Kling's JSON as it is on the wire.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The body of a submission. Not sent, because Kling has no such fields and the clip is the same kind of thing without:
/// `seed`, `enhance_prompt`.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model_name: &'a str,
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
    /// The first frame; its shape is the clip's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    /// The last frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_tail: Option<String>,
    /// References, on a path of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_list: Vec<ListedImage>,
    /// `on`, `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sound: Option<&'static str>,
    /// `std`, `pro`, `4k`: this is where the resolution is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    /// Seconds, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watermark_info: Option<WatermarkInfo>,
    /// Our own name for the task, by which it is found, too. At most one task of an account may have it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) external_task_id: &'a str,
    /// Where Kling tells us that the task stands differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<&'a str>,
}

/// One of `image_list`.
#[derive(Debug, Serialize)]
pub(super) struct ListedImage {
    pub(super) image: String,
}

/// Whether there is a marked clip beside the plain one.
#[derive(Debug, Serialize)]
pub(super) struct WatermarkInfo {
    pub(super) enabled: bool,
}

/// What every reply is wrapped in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    /// 0, or why not.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) code: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) data: Option<TaskData>,
}

/// A task, when it is accepted and in every poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskData {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_status: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) task_info: Option<TaskInfo>,
    /// Why it failed.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_status_msg: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) task_result: Option<TaskResult>,
}

/// `task_info` of a task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskInfo {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) external_task_id: String,
}

/// The words of `task_status`.
pub(super) mod status {
    pub(in super::super) const SUBMITTED: &str = "submitted";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const SUCCEED: &str = "succeed";
    pub(in super::super) const FAILED: &str = "failed";
}

/// `task_result` of a finished task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskResult {
    #[serde(deserialize_with = "lenient::objects")]
    pub(super) videos: Vec<Video>,
}

/// A clip.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) url: String,
    /// The same clip with a mark; empty unless one was asked for.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) watermark_url: String,
}
