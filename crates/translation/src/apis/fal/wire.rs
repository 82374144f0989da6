//! fal's JSON as it is on the wire, for both faces.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "fal";

/// The parameter of a submission's query that names the webhook: to us a client's, to an upstream ours.
pub(super) const WEBHOOK: &str = "fal_webhook";
/// The headers of a callback that it is signed with; the last is the signature.
pub(super) const SIGNATURE_HEADERS: [&str; 4] = [
    "x-fal-webhook-request-id",
    "x-fal-webhook-user-id",
    "x-fal-webhook-timestamp",
    "x-fal-webhook-signature",
];
/// The field of image models for the size.
pub(super) const IMAGE_SIZE: &str = "image_size";
/// The field of models that speak for who does.
pub(super) const VOICE: &str = "voice";

/// The input of a Veo model. Not sent: the wish to have the prompt rewritten (`auto_fix` is something else) and
/// watermark, for which fal has no field; the clip is the same film.
#[derive(Debug, Default, Serialize)]
pub(super) struct Veo<'a> {
    pub(super) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_frame_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_frame_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'a str>,
    /// `4s`, `6s` or `8s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
    /// Fields of fal that have no meaning outside it; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Option<&'a Map<String, Value>>,
}

/// The words of `status`.
pub(super) mod status {
    pub(in super::super) const IN_QUEUE: &str = "IN_QUEUE";
    pub(in super::super) const IN_PROGRESS: &str = "IN_PROGRESS";
    pub(in super::super) const COMPLETED: &str = "COMPLETED";
}

/// The reply to a submission and to a question for the status.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Queued {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) request_id: String,
    #[serde(skip_deserializing)]
    pub(super) response_url: String,
    #[serde(skip_deserializing)]
    pub(super) status_url: String,
    #[serde(skip_deserializing)]
    pub(super) cancel_url: String,
    /// In the queue only. Clients insist on it there.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) queue_position: Option<u32>,
    /// Behind the queue only: always empty, but clients insist on it there.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) logs: Option<[(); 0]>,
    /// At the end only, and clients insist on it there.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) metrics: Option<Metrics>,
    /// Of a request that completed by failing.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) error: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) error_type: String,
}

/// The reply to the wish to stop a request.
#[derive(Debug, Serialize)]
pub(super) struct Cancel {
    pub(super) status: &'static str,
}

/// The message to a client's webhook. `payload_error` is left out: it is said of results that are no JSON, and ours are.
#[derive(Debug, Serialize)]
pub(super) struct Webhook<'a> {
    pub(super) request_id: &'a str,
    pub(super) gateway_request_id: &'a str,
    /// `OK` or `ERROR`.
    pub(super) status: &'static str,
    pub(super) payload: Option<Payload>,
    /// With `ERROR` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// The keys that callbacks from fal are signed with.
#[derive(Debug, Deserialize)]
pub(super) struct Jwks {
    pub(super) keys: Vec<Jwk>,
}

/// One of them; as RFC 8037 says where it is of Ed25519.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Jwk {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) kty: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) crv: String,
    /// The public key in base64url.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) x: String,
}

/// What the reply to a question for the result holds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Payload {
    Output(Output),
    Error(ErrorReply),
}

/// How long it took.
#[derive(Debug, Serialize)]
pub(super) struct Metrics {
    /// Seconds; absent if it never began.
    pub(super) inference_time: Option<f64>,
}

/// The result of a request, as most models have it. A model that makes one clip has it in `video`; where a request made
/// several they are all in `videos`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    #[serde(deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(super) video: Option<File>,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) videos: Vec<File>,
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<File>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<File>,
}

/// One file of a result.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct File {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) url: String,
    #[serde(skip_deserializing)]
    pub(super) content_type: Option<String>,
    #[serde(skip_deserializing)]
    pub(super) file_name: String,
    /// Bytes.
    #[serde(skip_deserializing)]
    pub(super) file_size: Option<u64>,
}

/// An error: of a model, with problems, or of the queue, with a text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    pub(super) detail: Detail,
    /// What went wrong with a request that is no fault of its model.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) error_type: String,
}

/// What an error says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Detail {
    Text(String),
    Problems(Vec<Problem>),
}

/// One problem of a request.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    /// Where: `["body", "prompt"]`. Positions in lists are left out.
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) loc: Vec<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) msg: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
}

impl Default for Detail {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Self::Text(text),
            list @ Value::Array(_) => lenient::objects(list).map(Self::Problems).unwrap_or_default(),
            _ => Self::default(),
        })
    }
}

impl ErrorReply {
    /// The error in `body`; an empty one if there is none.
    pub(super) fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The problems; none if it is an error of the queue.
    pub(super) fn problems(&self) -> &[Problem] {
        match &self.detail {
            Detail::Problems(problems) => problems,
            Detail::Text(_) => &[],
        }
    }

    /// What fal said, with the fields at fault.
    pub(super) fn said(&self) -> String {
        match &self.detail {
            Detail::Text(text) => text.clone(),
            Detail::Problems(problems) => problems.iter().map(Problem::said).collect::<Vec<_>>().join("; "),
        }
    }
}

impl Problem {
    fn said(&self) -> String {
        match self.loc.last().map(String::as_str) {
            None | Some("body") => self.msg.clone(),
            Some(field) => format!("{field}: {}", self.msg),
        }
    }
}
