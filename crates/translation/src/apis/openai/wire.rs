//! OpenAI's JSON as it is on the wire, for both faces.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient;

/// Where images are made of a text, and of other images.
pub(super) const IMAGES: &str = "/v1/images/generations";
pub(super) const EDITS: &str = "/v1/images/edits";
/// Where a text is spoken.
pub(super) const SPEECH: &str = "/v1/audio/speech";

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "openai";

/// The field that brings an image: a file, or an object that refers to one.
pub(super) const INPUT_REFERENCE: &str = "input_reference";
/// The field of the pixels of a clip or a picture.
pub(super) const SIZE: &str = "size";
/// Most pictures of one request.
pub(super) const COUNT_MAX: u32 = 10;
/// The field that says who speaks: a name, or an object with the id of a voice of the account's own.
pub(super) const VOICE: &str = "voice";

/// The body of a clip's submission, as we send it without an image; vendor fields follow. Not sent, because the API has no such fields and the
/// result is the same kind of thing without: `seed`, `enhance_prompt`, `watermark`.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    /// A number as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<String>,
    /// `1280x720`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<String>,
}

/// The body of a remix, as we send it; vendor fields follow. The clip keeps its model, its length and its size.
#[derive(Debug, Serialize)]
pub(super) struct Remix<'a> {
    pub(super) prompt: &'a str,
}

/// The body of a request for images, as we send it without images; vendor fields follow. Not sent, as above: `seed`,
/// `enhance_prompt`, `watermark`.
#[derive(Debug, Serialize)]
pub(super) struct ImageGeneration<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u32>,
    /// `1024x1024`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<String>,
    /// `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<&'a str>,
    /// `png`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_format: Option<&'a str>,
}

/// The body of a request for speech, as we send it; vendor fields follow.
#[derive(Debug, Serialize)]
pub(super) struct Speech<'a> {
    pub(super) model: &'a str,
    pub(super) input: &'a str,
    pub(super) voice: &'a str,
    /// `mp3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_format: Option<&'a str>,
}

/// The words of `status`; other hosts have more.
pub(super) mod status {
    pub(in super::super) const QUEUED: &str = "queued";
    pub(in super::super) const IN_PROGRESS: &str = "in_progress";
    pub(in super::super) const COMPLETED: &str = "completed";
    pub(in super::super) const FAILED: &str = "failed";
}

/// The reply to a submission and to a poll.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    /// `video`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) object: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// 0 to 100.
    #[serde(deserialize_with = "lenient::percent")]
    pub(super) progress: Option<u8>,
    /// Unix seconds; so are the next two.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) created_at: i64,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) completed_at: Option<i64>,
    /// When the bytes are gone; null, since nobody here knows it.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) expires_at: Option<i64>,
    /// At `failed`.
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<VideoError>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) prompt: String,
    /// The earlier clip that this one was made of.
    #[serde(skip_deserializing)]
    pub(super) remixed_from_video_id: Option<String>,
    /// A number as text; empty if the client left it to the model, because clients expect a text.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) seconds: String,
    /// `1280x720`; empty if the client left it to the model.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) size: String,
    /// At `completed`. Not OpenAI's: what most other hosts have, and their clients look for.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) url: String,
    /// Other hosts' place of the URL; so is the next.
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) video_url: String,
    #[serde(deserialize_with = "lenient::nested", skip_serializing)]
    pub(super) metadata: Option<Metadata>,
}

/// The reply to a call for the list, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecentVideos {
    /// Absent if this is not a list.
    pub(super) data: Option<Vec<Value>>,
    pub(super) has_more: Value,
}

/// One clip of the list, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecentVideo {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) prompt: String,
    /// Unix seconds.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) created_at: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) remixed_from_video_id: String,
    /// A number as text, as it was submitted.
    pub(super) seconds: Value,
    /// `1280x720`, as it was submitted.
    pub(super) size: Value,
}

/// `metadata` of a finished task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) url: String,
}

/// Why a task failed: `code` is a word.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct VideoError {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
}

/// The reply to a request for a list of clips.
#[derive(Debug, Serialize)]
pub(super) struct VideoList {
    /// `list`.
    pub(super) object: &'static str,
    pub(super) data: Vec<Video>,
    pub(super) first_id: Option<String>,
    pub(super) last_id: Option<String>,
    pub(super) has_more: bool,
}

/// The reply to a deletion.
#[derive(Debug, Serialize)]
pub(super) struct Deleted<'a> {
    pub(super) id: &'a str,
    /// `video.deleted`.
    pub(super) object: &'static str,
    pub(super) deleted: bool,
}

/// The reply to a request for images. Not sent: `usage`, since nobody here counts tokens.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Images {
    /// Unix seconds.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) created: i64,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) background: String,
    #[serde(deserialize_with = "lenient::objects")]
    pub(super) data: Vec<Image>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) output_format: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) quality: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) size: String,
}

/// One image: one of the two.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) b64_json: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) url: String,
}

/// The reply to a request that failed. Other hosts put `code` and `message` beside `error`, or have no `error`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<HttpError>,
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    code: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    message: String,
}

/// Why a request failed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HttpError {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    /// The request field at fault.
    #[serde(skip_deserializing)]
    pub(super) param: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
}

impl ErrorReply {
    /// The reply to send.
    pub(super) fn of(error: HttpError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// What went wrong, wherever it stands.
    pub(super) fn into_error(self) -> HttpError {
        let (code, message) = (self.code, self.message);
        self.error.unwrap_or(HttpError { code, message, ..HttpError::default() })
    }
}
