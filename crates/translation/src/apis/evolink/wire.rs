//! EvoLink's JSON as it is on the wire, for both faces.

use serde::{Deserialize, Serialize};

use crate::cost::Credits;
use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "evolink";

/// The field for callbacks: upstream it names us, never our client, whom we tell ourselves.
pub(super) const CALLBACK: &str = "callback_url";

/// The body of a submission, as we send it; vendor fields follow. Not sent, because EvoLink has no such fields and the
/// result is the same kind of thing without: `enhance_prompt`, `watermark`.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    /// URLs only. Frames in order, or references.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) video_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) audio_urls: Vec<String>,
    /// Images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mask_url: Option<String>,
    /// Videos only; images have a `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    /// Images only: `16:9` or `1024x1024`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<&'a str>,
    /// The name that most models have for the resolution: `1080p`, `2K`. With gpt-image a word: `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<String>,
    /// The name that gpt-image has for it, since there `quality` is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    /// Not sent to `veo3...`, which has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    /// How many images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u32>,
    /// Videos only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
    /// Audio only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_tags: Option<&'a str>,
    /// Where EvoLink tells us that the task has ended: HTTPS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<&'a str>,
}

/// The words of `status`; callbacks also know `cancelled`.
pub(super) mod status {
    pub(in super::super) const PENDING: &str = "pending";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const COMPLETED: &str = "completed";
    pub(in super::super) const FAILED: &str = "failed";
}

/// The reply to a submission and to a poll.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TaskObject {
    /// Unix seconds.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) created: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    /// `video.generation.task`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) object: String,
    /// 0 to 100.
    #[serde(deserialize_with = "lenient::percent")]
    pub(super) progress: Option<u8>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// Details of a task; read by nobody here.
    #[serde(skip_deserializing)]
    pub(super) task_info: TaskInfo,
    /// `video`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    /// What the task costs; read by nobody here.
    #[serde(skip_deserializing)]
    pub(super) usage: Option<Usage>,
    /// URLs, at `completed`.
    #[serde(deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub(super) results: Vec<String>,
    /// The same with details; for audio the only place that every client knows.
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) result_data: Vec<ResultItem>,
    /// At `failed`.
    #[serde(deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<TaskError>,
}

/// `task_info`. Not sent: `estimated_time`, which nobody here can know.
#[derive(Debug, Default, Serialize)]
pub(super) struct TaskInfo {
    pub(super) can_cancel: bool,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) video_duration: Option<u32>,
}

/// `usage`.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    /// `per_call`, `per_token`, `per_second`.
    pub(super) billing_rule: &'static str,
    pub(super) credits_reserved: Credits,
    pub(super) user_group: &'static str,
}

/// One entry of `result_data`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ResultItem {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) result_id: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) video_url: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) image_url: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) audio_url: String,
}

/// Why a task failed: `code` is a word.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TaskError {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
}

/// The reply to a request that failed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<HttpError>,
}

/// Why a request failed. We send `code` as the HTTP status, as most pages have it; on some it is a word.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HttpError {
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) code: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    /// The request field at fault.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) param: String,
}
