//! kie's JSON as it is on the wire.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// The body of `POST /api/v1/veo/generate`. Not sent: `watermark` (a text here, a switch everywhere else),
/// `callBackUrl` (we poll), `enableFallback` (legacy).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generate<'a> {
    pub(super) prompt: &'a str,
    pub(super) model: &'a str,
    pub(super) generation_type: GenerationType,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    /// Seconds: 4, 6 or 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    /// 10000 to 99999.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seeds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enable_translation: Option<bool>,
}

/// What the images of a request are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum GenerationType {
    #[serde(rename = "TEXT_2_VIDEO")]
    Text,
    #[serde(rename = "FIRST_AND_LAST_FRAMES_2_VIDEO")]
    Frames,
    #[serde(rename = "REFERENCE_2_VIDEO")]
    References,
}

/// What every reply is wrapped in. Some replies say `message` where others say `msg`.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Envelope<T> {
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(super) code: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    msg: String,
    #[serde(default, deserialize_with = "lenient::text")]
    message: String,
    #[serde(default, deserialize_with = "lenient::nested")]
    pub(super) data: Option<T>,
}

impl<T: DeserializeOwned> Envelope<T> {
    /// The envelope in `body`, if there is one.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// What kie said.
    pub(super) fn said(&self) -> &str {
        if self.msg.is_empty() { &self.message } else { &self.msg }
    }
}

/// `data` of the reply to a submission.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Submitted {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
}

/// `data` of the reply to a poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(deserialize_with = "lenient::whole")]
    success_flag: Option<i64>,
    /// The quickstart's name of `successFlag`.
    #[serde(deserialize_with = "lenient::whole")]
    status: Option<i64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) error_code: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) error_message: String,
    #[serde(deserialize_with = "lenient::nested")]
    response: Option<Results>,
    /// The quickstart has the results here, as JSON in a text.
    #[serde(deserialize_with = "lenient::texts")]
    result_urls: Vec<String>,
}

/// `data.response` of the reply to a poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Results {
    #[serde(deserialize_with = "lenient::texts")]
    result_urls: Vec<String>,
    /// The uncropped clips, when the ratio is not 16:9.
    #[serde(deserialize_with = "lenient::texts")]
    origin_urls: Vec<String>,
}

impl Record {
    /// 0 at work, 1 finished, 2 failed, 3 created but the generation failed.
    pub(super) fn flag(&self) -> Option<i64> {
        self.success_flag.or(self.status)
    }

    /// The URLs of the results: the finished clips, else the uncropped ones.
    pub(super) fn urls(&self) -> &[String] {
        let none: &[String] = &[];
        let (results, origins) =
            self.response.as_ref().map_or((none, none), |r| (&r.result_urls[..], &r.origin_urls[..]));
        [results, &self.result_urls, origins].into_iter().find(|urls| !urls.is_empty()).unwrap_or(none)
    }
}
