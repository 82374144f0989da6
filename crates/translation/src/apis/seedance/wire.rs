//! Ark's JSON as it is on the wire.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The body of a submission. Not sent, because Ark has no such field and the clip is the same kind of thing without:
/// `enhance_prompt`.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    /// Up to 2^32 - 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watermark: Option<bool>,
}

/// One thing that goes in.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Address, role: &'static str },
    VideoUrl { video_url: Address, role: &'static str },
    AudioUrl { audio_url: Address, role: &'static str },
}

/// Where media is.
#[derive(Debug, Serialize)]
pub(super) struct Address {
    pub(super) url: String,
}

/// The words of `role`.
pub(super) mod role {
    pub(in super::super) const FIRST_FRAME: &str = "first_frame";
    pub(in super::super) const LAST_FRAME: &str = "last_frame";
    pub(in super::super) const REFERENCE_IMAGE: &str = "reference_image";
    pub(in super::super) const REFERENCE_VIDEO: &str = "reference_video";
    pub(in super::super) const REFERENCE_AUDIO: &str = "reference_audio";
}

/// The reply to a submission (an `id` alone) and to a poll; a call that is refused has an `error` alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) content: Option<Made>,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<TaskError>,
}

/// The words of `status`.
pub(super) mod status {
    pub(in super::super) const QUEUED: &str = "queued";
    pub(in super::super) const RUNNING: &str = "running";
    pub(in super::super) const SUCCEEDED: &str = "succeeded";
    pub(in super::super) const FAILED: &str = "failed";
    pub(in super::super) const CANCELLED: &str = "cancelled";
    pub(in super::super) const EXPIRED: &str = "expired";
}

/// `content` of a finished task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Made {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) video_url: String,
}

/// Why a task failed or a call is refused: `code` is a word, dots divide it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskError {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
}
