//! Luma's JSON as it is on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient;

/// The registry name of the API.
pub(super) const NAME: &str = "luma";

/// The body of a submission.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    /// `5s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    #[serde(skip_serializing_if = "Keyframes::is_empty")]
    pub(super) keyframes: Keyframes,
    /// Where Luma tells us that the clip stands differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<&'a str>,
}

/// The frames that a clip begins and ends with.
#[derive(Debug, Default, Serialize)]
pub(super) struct Keyframes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frame0: Option<Keyframe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frame1: Option<Keyframe>,
}

impl Keyframes {
    fn is_empty(&self) -> bool {
        self.frame0.is_none() && self.frame1.is_none()
    }
}

/// A frame by address.
#[derive(Debug, Serialize)]
pub(super) struct Keyframe {
    /// `image`.
    pub(super) r#type: &'static str,
    pub(super) url: String,
}

/// The body that asks for more lines of a finished clip.
#[derive(Debug, Serialize)]
pub(super) struct Upscale<'a> {
    /// `upscale_video`.
    pub(super) generation_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    /// The same as of a [`Generation`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<&'a str>,
}

/// The words of `state`.
pub(super) mod state {
    pub(in super::super) const QUEUED: &str = "queued";
    pub(in super::super) const DREAMING: &str = "dreaming";
    pub(in super::super) const COMPLETED: &str = "completed";
    pub(in super::super) const FAILED: &str = "failed";
}

/// The reply to a submission and to a poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) state: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) failure_reason: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) assets: Option<Assets>,
}

/// The reply to a call for the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskList {
    /// Absent if this is not a list.
    pub(super) generations: Option<Vec<Value>>,
    pub(super) has_more: Value,
}

/// One task of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListedTask {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    /// `video`; other kinds of tasks have `image`, and in their request `upscale_video` or `add_audio`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) generation_type: String,
    /// RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) created_at: String,
    /// The body of the submission.
    pub(super) request: Value,
}

/// `assets` of a finished clip. There is also one that shows how it came about, which nobody asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Assets {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) video: String,
}

/// The reply to a request that failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    /// A text, or a list of objects with a `msg`.
    pub(super) detail: Value,
}

impl ErrorReply {
    /// What went wrong, in one line.
    pub(super) fn said(&self) -> String {
        let message = |issue: &Value| issue.get("msg")?.as_str().map(str::to_owned);
        match &self.detail {
            Value::String(text) => text.clone(),
            Value::Array(issues) => issues.iter().filter_map(message).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        }
    }
}
