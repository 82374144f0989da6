//! apixo's JSON as it is on the wire, for both faces.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "apixo";
/// The one Veo model.
pub(super) const VEO: &str = "veo-3-1";
/// The field that holds what the model is to make.
pub(super) const INPUT: &str = "input";
/// Most frames of a clip.
pub(super) const FRAMES_MAX: usize = 2;
/// Most reference images of a clip.
pub(super) const REFERENCES_MAX: usize = 3;
/// The only ratio of a clip with reference images.
pub(super) const REFERENCES_RATIO: &str = "16:9";

/// The body of `POST /api/v1/generateTask/{model}`, as we send it. What clients send us is read field by field.
#[derive(Debug, Serialize)]
pub(super) struct Submission<'a, I> {
    /// A word of [`request_type`].
    pub(super) request_type: &'static str,
    /// Where apixo tells us that the task has ended, if it shall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<&'a str>,
    /// A word of [`route`]; apixo's default is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<&'static str>,
    pub(super) input: I,
    /// Fields outside `input` that have no meaning outside this API; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
}

/// `input` for Veo. Not sent: `watermark` (a text here, a switch everywhere else).
#[derive(Debug, Serialize)]
pub(super) struct VeoInput<'a> {
    pub(super) mode: &'a str,
    pub(super) prompt: &'a str,
    #[serde(rename = "generationType")]
    pub(super) generation_type: GenerationType,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(rename = "enableTranslation", skip_serializing_if = "Option::is_none")]
    pub(super) enable_translation: Option<bool>,
    /// Fields that have no meaning outside this API; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
}

/// `input` for the picture models.
#[derive(Debug, Serialize)]
pub(super) struct ImageInput<'a> {
    pub(super) mode: &'static str,
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    pub(super) aspect_ratio: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    /// Fields that have no meaning outside this API; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
}

/// The values of `request_type`. A task can be asked about either way.
pub(super) mod request_type {
    pub(in super::super) const ASYNC: &str = "async";
    pub(in super::super) const CALLBACK: &str = "callback";
}

/// The values of `provider`.
pub(super) mod route {
    pub(in super::super) const AUTO: &str = "auto";
    pub(in super::super) const CHEAPEST: &str = "value";
    pub(in super::super) const OFFICIAL: &str = "official";
}

/// The two values of `mode` for Veo.
pub(super) mod mode {
    pub(in super::super) const QUALITY: &str = "quality";
    pub(in super::super) const FAST: &str = "fast";
}

/// The two values of `mode` for pictures.
pub(super) mod image_mode {
    pub(in super::super) const FROM_TEXT: &str = "text-to-image";
    pub(in super::super) const FROM_IMAGES: &str = "image-to-image";
}

/// What the images of a clip are for.
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

/// What every reply is wrapped in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub(super) struct Envelope<T> {
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(super) code: Option<i64>,
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
}

/// `data` of the reply to a submission.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Submitted {
    #[serde(rename = "taskId", deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    /// Some refusals say more here than in `message`.
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) error: String,
}

/// The four words of `state`.
pub(super) mod state {
    pub(in super::super) const PENDING: &str = "pending";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const SUCCESS: &str = "success";
    pub(in super::super) const FAILED: &str = "failed";
}

/// `data` of the reply to a poll.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) state: String,
    /// JSON in a text: clients parse it. At success alone.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) result_json: Value,
    /// At failure alone, and so is the next.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) fail_code: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) fail_msg: String,
    /// Milliseconds since the Unix epoch; so is the next.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) create_time: i64,
    #[serde(deserialize_with = "lenient::whole", skip_serializing_if = "Option::is_none")]
    pub(super) complete_time: Option<i64>,
    /// Milliseconds.
    #[serde(deserialize_with = "lenient::whole", skip_serializing_if = "Option::is_none")]
    pub(super) cost_time: Option<i64>,
}

/// What `resultJson` holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Results {
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) result_urls: Vec<String>,
}

impl Record {
    /// The URLs in `resultJson`, also where it came as an object.
    pub(super) fn urls(&self) -> Vec<String> {
        let results = match &self.result_json {
            Value::String(text) => serde_json::from_str::<Results>(text).ok(),
            object => Results::deserialize(object).ok(),
        };
        results.unwrap_or_default().result_urls
    }
}
