//! APIMart's JSON as it is on the wire, for both faces.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost::Credits;
use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "apimart";

/// The field by which some clients ask to be told: never sent upstream, where it would name our client, whom we tell
/// ourselves.
pub(super) const CALLBACK: &str = "callback_url";
/// The path of files.
pub(super) const UPLOAD: &str = "/v1/uploads/images";

/// `code` of a reply that is no error.
pub(super) const CODE_OK: i64 = 200;

/// The body of a submission, as we send it; vendor fields follow. Not sent, because APIMart has no such field and the
/// result is the same kind of thing without: `enhance_prompt`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    /// URLs only, here and below.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    /// What `image_urls` of a Veo model are for: [`FRAME`] or [`REFERENCE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_frame_image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_frame_image: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_with_roles: Vec<ImageWithRole>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) video_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) audio_urls: Vec<String>,
    /// Videos only; images have a `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    /// `16:9` or `1024x1024`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<&'a str>,
    /// `1080p`, `2K`; the case depends on the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
    /// Seconds, as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    /// Not sent to `veo3.1-fast` and its sisters, which have no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    /// Not sent to Veo models, which have no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watermark: Option<bool>,
    /// How many images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u32>,
    /// Not sent to `veo3.1-fast` and its sisters, and neither is the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
}

/// `generation_type`: the images are the first and the last frame.
pub(super) const FRAME: &str = "frame";
/// `generation_type`: the images are references.
pub(super) const REFERENCE: &str = "reference";

/// One image of `image_with_roles`: `first_frame`, `last_frame` or `reference_image`.
#[derive(Debug, Serialize)]
pub(super) struct ImageWithRole {
    pub(super) url: String,
    pub(super) role: &'static str,
}

/// What every reply is wrapped in, unless it is an HTTP error.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Envelope<T> {
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(super) code: Option<i64>,
    /// A list in the reply to a submission, an object in all others and in the dated shape.
    #[serde(default = "Vec::new", deserialize_with = "lenient::objects")]
    pub(super) data: Vec<T>,
    #[serde(default, deserialize_with = "lenient::nested")]
    pub(super) error: Option<ErrorDetail>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: String,
}

impl<T: DeserializeOwned> Envelope<T> {
    /// The envelope in `body`, if there is one.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// What APIMart said.
    pub(super) fn said(&self) -> &str {
        match &self.error {
            Some(error) if !error.message.is_empty() => &error.message,
            _ => &self.message,
        }
    }
}

/// A reply of ours: `data` is a list or an object, as the caller makes it.
#[derive(Debug, Serialize)]
pub(super) struct Answer<T> {
    pub(super) code: i64,
    pub(super) data: T,
}

/// `data` of the reply to a submission.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Submitted {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    /// The name of `task_id` in the dated shape.
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) id: String,
}

/// `data` of the reply to a submission in the shape of 2026-07-27.
#[derive(Debug, Serialize)]
pub(super) struct SubmittedDated<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) status: &'static str,
}

/// The words of `status`; a submission is answered with `submitted`, and some models say `in_progress`.
pub(super) mod status {
    pub(in super::super) const SUBMITTED: &str = "submitted";
    pub(in super::super) const PENDING: &str = "pending";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const COMPLETED: &str = "completed";
    pub(in super::super) const FAILED: &str = "failed";
}

/// `data` of the reply to a poll. Not sent: `estimated_time`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TaskData {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// 0 to 100.
    #[serde(deserialize_with = "lenient::percent")]
    pub(super) progress: Option<u8>,
    /// At `completed`.
    #[serde(deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Results>,
    /// At `failed`.
    #[serde(deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorDetail>,
    /// Unix seconds.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) created: i64,
    /// Unix seconds, at the end.
    #[serde(deserialize_with = "lenient::whole", skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<i64>,
    /// Seconds from `created` to `completed`.
    #[serde(deserialize_with = "lenient::whole", skip_serializing_if = "Option::is_none")]
    pub(super) actual_time: Option<i64>,
    /// At the end; so is the next. Read by nobody here.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<Credits>,
    /// The same, as this gateway has no other credits.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) credits_cost: Option<Credits>,
}

/// `result` of a finished task. Not read: `thumbnail_url`, which is no result.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Results {
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<ResultItem>,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) videos: Vec<ResultItem>,
    /// Not documented: where the sounds of other APIs' tasks are told.
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) audios: Vec<ResultItem>,
}

/// One result. Not sent: `expires_at`, which only the one who keeps the file knows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ResultItem {
    /// A list; on older pages a text.
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) url: Vec<String>,
}

/// The reply to a file, which has no envelope.
#[derive(Debug, Serialize)]
pub(super) struct StoredFile<'a> {
    pub(super) url: &'a str,
    pub(super) filename: &'a str,
    pub(super) content_type: &'a str,
    pub(super) bytes: u64,
    /// Unix seconds.
    pub(super) created_at: i64,
}

/// The same, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileUrl {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) url: String,
}

/// The reply to a request that failed.
#[derive(Debug, Serialize)]
pub(super) struct ErrorReply {
    pub(super) error: ErrorDetail,
}

/// Why a request or a task failed. We send `code` as the HTTP status; of tasks it may be a word, too.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorDetail {
    pub(super) code: Value,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    /// The request field at fault.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) param: String,
}

impl ErrorDetail {
    /// The code, if it is a number.
    pub(super) fn number(&self) -> Option<i64> {
        self.code.as_i64().or_else(|| self.code.as_str()?.trim().parse().ok())
    }

    /// The code, if it is a word, else the type.
    pub(super) fn word(&self) -> &str {
        match self.code.as_str() {
            Some(word) if self.number().is_none() && !word.is_empty() => word,
            _ => &self.r#type,
        }
    }
}
