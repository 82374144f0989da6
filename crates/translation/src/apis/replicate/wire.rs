//! The API's JSON as it is on the wire, for both faces.

use domain::{GenerationRequest, Role};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{lenient, web};

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "replicate";
/// The field of the body, and of the vendor fields, that holds what the model gets.
pub(super) const INPUT: &str = "input";
/// The fields for a webhook and for what it is told.
pub(super) const WEBHOOK: &str = "webhook";
pub(super) const EVENTS_FILTER: &str = "webhook_events_filter";
/// The words of that.
pub(super) const EVENTS: [&str; 4] = ["start", "output", "logs", ENDED];
/// The last of them: the prediction has ended, however.
pub(super) const ENDED: &str = "completed";
/// `version` of a prediction by an official model.
pub(super) const VERSION: &str = "hidden";

/// The body that makes a prediction, as we send it.
#[derive(Debug, Serialize)]
pub(super) struct NewPrediction<'a> {
    /// The version of the model, where the path does not say the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'a str>,
    /// The gateway's own: a client's is told by the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook_events_filter: Option<[&'static str; 1]>,
    pub(super) input: Input<'a>,
}

/// `input` of a prediction: what the Veo models call it, and for what they do not have, what most other models do.
#[derive(Debug, Serialize)]
pub(super) struct Input<'a> {
    pub(super) prompt: &'a str,
    /// The first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_frame: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reference_images: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) video: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num_outputs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) voice: Option<&'a str>,
    /// All that has no meaning outside this API; no name stands above.
    #[serde(flatten)]
    pub(super) vendor: Option<&'a Map<String, Value>>,
}

impl<'a> Input<'a> {
    /// What this API can say of `request`, on a gateway that is reached at `base_url`.
    pub(super) fn of(request: &'a GenerationRequest, base_url: &str) -> Self {
        let one = |role| web::input_urls(request, role, base_url).pop();
        let output = &request.output;
        let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
        Self {
            prompt: &request.prompt,
            image: one(Role::FirstFrame),
            last_frame: one(Role::LastFrame),
            reference_images: web::input_urls(request, Role::Reference, base_url),
            aspect_ratio: output.aspect_ratio.as_deref(),
            resolution: output.resolution.as_deref(),
            size: output.size.as_deref(),
            duration: output.duration_s,
            seed: output.seed,
            negative_prompt: output.negative_prompt.as_deref(),
            generate_audio: output.audio,
            video: one(Role::Video),
            audio: one(Role::Audio),
            mask: one(Role::Mask),
            num_outputs: output.count,
            quality: output.quality.as_deref(),
            output_format: output.format.as_deref(),
            voice: output.voice.as_deref(),
            vendor: vendor.and_then(|vendor| vendor.fields.get(INPUT)?.as_object()),
        }
    }
}

/// The words of `status`.
pub(super) mod status {
    pub(in super::super) const STARTING: &str = "starting";
    pub(in super::super) const PROCESSING: &str = "processing";
    pub(in super::super) const SUCCEEDED: &str = "succeeded";
    pub(in super::super) const FAILED: &str = "failed";
    pub(in super::super) const CANCELED: &str = "canceled";
}

/// A prediction: the reply to a submission and to a poll.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Prediction {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    /// `owner/name`.
    #[serde(skip_deserializing)]
    pub(super) model: String,
    /// Never null: the Python client insists on a text.
    #[serde(skip_deserializing)]
    pub(super) version: String,
    #[serde(skip_deserializing)]
    pub(super) input: Value,
    /// Null before success. A URL, a list of URLs, or an object with URLs somewhere in it: the model decides.
    pub(super) output: Value,
    /// Text after a failure, else null.
    pub(super) error: Value,
    #[serde(skip_deserializing)]
    pub(super) logs: String,
    #[serde(skip_deserializing)]
    pub(super) metrics: Metrics,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    #[serde(skip_deserializing)]
    pub(super) urls: Urls,
    /// RFC 3339; so are the next two.
    #[serde(skip_deserializing)]
    pub(super) created_at: String,
    #[serde(skip_deserializing)]
    pub(super) started_at: Option<String>,
    #[serde(skip_deserializing)]
    pub(super) completed_at: Option<String>,
}

/// The object in `body`, if there is one. A list is none, whatever serde would make of it.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(body).ok()).flatten()
}

/// `metrics` of a prediction; empty before success.
#[derive(Debug, Default, Serialize)]
pub(super) struct Metrics {
    /// Seconds from start to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predict_time: Option<f64>,
    /// Seconds from creation to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_time: Option<f64>,
}

/// `urls` of a prediction or a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Urls {
    pub(super) get: String,
    /// Of a prediction only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cancel: String,
}

/// The reply to `GET /v1/predictions`: the newest first.
#[derive(Debug, Serialize)]
pub(super) struct PredictionList {
    /// Always null: pages are walked from the first on.
    pub(super) previous: (),
    /// Where the next page is; null if this is the last.
    pub(super) next: Option<String>,
    pub(super) results: Vec<Prediction>,
}

/// The same, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecentPredictions {
    /// Null if there is no other page.
    pub(super) next: Value,
    /// Absent if this is not a list.
    pub(super) results: Option<Vec<Value>>,
}

/// One prediction of the list, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecentPrediction {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) version: String,
    /// RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) created_at: String,
    /// What went in. Taken away an hour after the end.
    pub(super) input: Value,
}

/// The reply to `POST /v1/files`: all that the Python client insists on.
#[derive(Debug, Serialize)]
pub(super) struct FileReply<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) content_type: &'a str,
    /// Bytes.
    pub(super) size: u64,
    pub(super) etag: &'a str,
    /// Empty, as is `metadata`: what a client writes there is not kept.
    pub(super) checksums: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    /// RFC 3339; so is the next.
    pub(super) created_at: String,
    pub(super) expires_at: String,
    /// What clients then send as an input.
    pub(super) urls: Urls,
}

/// An error.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) title: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) detail: String,
    /// The HTTP status once more.
    #[serde(skip_deserializing)]
    pub(super) status: u16,
    /// Seconds; we say it in a header alone, as HTTP does.
    #[serde(deserialize_with = "lenient::whole", skip_serializing)]
    pub(super) retry_after: Option<i64>,
}

/// The reply to `GET /v1/models`: one page that is the last.
#[derive(Debug, Serialize)]
pub(super) struct ModelList<'a> {
    pub(super) next: (),
    pub(super) previous: (),
    pub(super) results: Vec<ModelEntry<'a>>,
}

/// One model of the list: all that the Python client insists on.
#[derive(Debug, Serialize)]
pub(super) struct ModelEntry<'a> {
    /// Of the model's page on the web; empty, since there is none.
    pub(super) url: &'static str,
    pub(super) owner: &'static str,
    pub(super) name: &'a str,
    pub(super) description: String,
    pub(super) visibility: &'static str,
    pub(super) run_count: u64,
}
