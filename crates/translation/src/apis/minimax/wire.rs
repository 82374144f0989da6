//! MiniMax's JSON as it is on the wire.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The body of a submission of a clip. Not sent, because MiniMax has no such field and the clip is the same kind of thing
/// without: `seed`.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_frame_image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_frame_image: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subject_reference: Vec<Subject>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    /// `768P`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_optimizer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aigc_watermark: Option<bool>,
}

/// One whom a clip keeps to.
#[derive(Debug, Serialize)]
pub(super) struct Subject {
    /// `character`.
    pub(super) r#type: &'static str,
    pub(super) image: Vec<String>,
}

/// The body of a submission of speech.
#[derive(Debug, Serialize)]
pub(super) struct Speech<'a> {
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    pub(super) stream: bool,
    pub(super) voice_setting: VoiceSetting<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio_setting: Option<AudioSetting<'a>>,
    /// `hex`: the sound comes in the answer.
    pub(super) output_format: &'static str,
}

/// Who speaks.
#[derive(Debug, Serialize)]
pub(super) struct VoiceSetting<'a> {
    pub(super) voice_id: &'a str,
}

/// What the sound is like.
#[derive(Debug, Serialize)]
pub(super) struct AudioSetting<'a> {
    pub(super) format: &'a str,
}

/// What every reply says of the call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BaseResp {
    /// 0, or why not.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) status_code: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status_msg: String,
}

/// The reply to a submission, of a clip or of speech.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Submitted {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) data: Option<SpeechData>,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) extra_info: Option<ExtraInfo>,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) base_resp: Option<BaseResp>,
}

/// `data` of speech.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SpeechData {
    /// Hexadecimal digits.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) audio: String,
}

/// `extra_info` of speech.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExtraInfo {
    /// `mp3`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) audio_format: String,
}

/// The reply to a poll, and to the question where its file is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Polled {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// A number as text, or a number; once the task has succeeded.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) file_id: String,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) file: Option<File>,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) base_resp: Option<BaseResp>,
}

/// The words of `status`, in lower case.
pub(super) mod status {
    pub(in super::super) const PREPARING: &str = "preparing";
    pub(in super::super) const QUEUEING: &str = "queueing";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const SUCCESS: &str = "success";
    pub(in super::super) const FAIL: &str = "fail";
}

/// Where a clip is, for some hours.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) download_url: String,
    /// The same, elsewhere; not on all hosts.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) backup_download_url: String,
}
