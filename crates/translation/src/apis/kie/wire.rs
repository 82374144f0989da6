//! kie's JSON as it is on the wire, for both faces.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::cost::Credits;
use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "kie";
/// The field by which clients ask to be told.
pub(super) const CALLBACK: &str = "callBackUrl";
/// The field of a job that holds what the model is to make.
pub(super) const INPUT: &str = "input";

/// Where a finished clip is asked for with 1080 lines.
pub(super) const GET_1080P: &str = "/api/v1/veo/get-1080p-video";
/// Where it is ordered with more than 2000, and asked for.
pub(super) const GET_4K: &str = "/api/v1/veo/get-4k-video";
/// The path of files as forms.
pub(super) const UPLOAD_STREAM: &str = "/api/file-stream-upload";

/// The names of the Veo models. The first takes no reference images.
pub(super) mod veo {
    pub(in super::super) const QUALITY: &str = "veo3";
    pub(in super::super) const FAST: &str = "veo3_fast";
    pub(in super::super) const LITE: &str = "veo3_lite";
}

/// The body of `POST /api/v1/veo/generate`, as we send it; what clients send us is read field by field.
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
    /// Where kie tells us that something has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call_back_url: Option<&'a str>,
    /// Fields that have no meaning outside this API, as `watermark`, which is a text here and a switch everywhere else;
    /// none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
}

/// The body of `POST /api/v1/jobs/createTask`, as we send it.
#[derive(Debug, Serialize)]
pub(super) struct Job<'a> {
    pub(super) model: &'a str,
    /// Where kie tells us that something has happened.
    #[serde(rename = "callBackUrl", skip_serializing_if = "Option::is_none")]
    pub(super) call_back_url: Option<&'a str>,
    /// The fields that the model has.
    pub(super) input: Map<String, Value>,
    /// Fields outside `input` that have no meaning outside this API; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
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

impl GenerationType {
    /// Their names.
    pub(super) const NAMES: [&'static str; 3] =
        ["TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"];

    /// From its name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Text, Self::Frames, Self::References];
        Self::NAMES.iter().zip(all).find(|(known, _)| **known == name).map(|(_, this)| this)
    }
}

/// What every reply is wrapped in. Some replies say `message` where others say `msg`; ours say both.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub(super) struct Envelope<T> {
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(super) code: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) msg: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) message: String,
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
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Submitted {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
}

/// `data` of the reply to a poll of a Veo task.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    /// What was asked for, as JSON in a text.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) param_json: String,
    /// Milliseconds since the Unix epoch; some replies have a date.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) complete_time: Option<i64>,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) response: Option<ResultUrls>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) success_flag: Option<i64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) error_code: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) error_message: String,
    /// Like `complete_time`.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) create_time: Option<i64>,
    #[serde(skip_deserializing)]
    pub(super) fallback_flag: bool,
    /// The quickstart's name of `successFlag`.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) status: Option<i64>,
    /// The quickstart has the results here, as JSON in a text.
    #[serde(deserialize_with = "lenient::texts", serialize_with = "json_in_text")]
    pub(super) result_urls: Vec<String>,
}

/// `data.response` of the reply to a poll of a Veo task, and what `resultJson` of a job holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResultUrls {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) result_urls: Vec<String>,
    /// The uncropped clips, when the ratio is not 16:9. We have none to give.
    #[serde(deserialize_with = "lenient::texts", skip_serializing)]
    pub(super) origin_urls: Vec<String>,
    /// Where it is known: clients of larger clips look for `4k`.
    #[serde(skip_deserializing, skip_serializing_if = "String::is_empty")]
    pub(super) resolution: String,
}

/// The words of a job's `state`.
pub(super) mod state {
    pub(in super::super) const WAITING: &str = "waiting";
    pub(in super::super) const QUEUING: &str = "queuing";
    pub(in super::super) const GENERATING: &str = "generating";
    pub(in super::super) const SUCCESS: &str = "success";
    pub(in super::super) const FAIL: &str = "fail";
}

/// `data` of the reply to a poll of a job.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct JobRecord {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) state: String,
    /// What was asked for, as JSON in a text.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) param: String,
    /// JSON in a text: clients parse it. Empty before success.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) result_json: String,
    /// Empty unless it failed; so is the next.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) fail_code: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) fail_msg: String,
    /// Seconds.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) cost_time: Option<i64>,
    /// Milliseconds since the Unix epoch; so are the next two.
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) complete_time: Option<i64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) create_time: Option<i64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) update_time: Option<i64>,
    /// At the end; read by nobody here.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) consume_credits: Option<Credits>,
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

/// Null if there are none.
fn json_in_text<S: Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let text = (!urls.is_empty()).then(|| serde_json::to_string(urls).expect("texts encode"));
    text.serialize(serializer)
}
