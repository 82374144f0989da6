//! The JSON of a call that predicts, of the operation that it starts, and of errors, as it is on the wire.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::lenient;

/// The fields of a body, and of its vendor fields.
pub(crate) const INSTANCES: &str = "instances";
pub(crate) const PARAMETERS: &str = "parameters";
pub(crate) const WEBHOOK: &str = "webhookConfig";
/// The media of an instance.
pub(crate) const REFERENCES: &str = "referenceImages";
pub(crate) const REFERENCE_TYPE: &str = "referenceType";
/// The text of a file that is the file itself.
pub(crate) const BYTES: &str = "bytesBase64Encoded";

/// The body of a call, as we send it; vendor fields are put beside these at every level.
#[derive(Debug, Serialize)]
pub(crate) struct Predict<'a> {
    pub(crate) instances: [Instance<'a>; 1],
    pub(crate) parameters: Parameters<'a>,
}

/// What goes in.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance<'a> {
    pub(crate) prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_frame: Option<File<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reference_images: Vec<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) video: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mask: Option<File<'a>>,
}

/// A file in the body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'a> {
    /// Empty here: the media is put in when the call is sent.
    pub(crate) bytes_base64_encoded: &'static str,
    pub(crate) mime_type: &'a str,
}

/// An image to keep to. Its `referenceType` is the client's own word, or `asset`.
#[derive(Debug, Serialize)]
pub(crate) struct Reference<'a> {
    pub(crate) image: File<'a>,
}

/// What the result shall be like.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aspect_ratio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enhance_prompt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generate_audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u32>,
}

/// What a call started, and how it stands. `R` is what its host has for a response.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "R: DeserializeOwned"))]
pub(crate) struct Operation<R> {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: String,
    /// Absent until it is.
    #[serde(default, deserialize_with = "truth", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) done: bool,
    #[serde(default, deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Status>,
    #[serde(default, deserialize_with = "lenient::nested", skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<R>,
}

/// Why an operation failed (google.rpc.Status).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// One of google.rpc.Code, not an HTTP status.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(crate) code: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) message: String,
}

/// The reply to a request that failed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorReply {
    #[serde(deserialize_with = "lenient::nested")]
    pub(crate) error: Option<HttpError>,
}

/// Why a request failed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HttpError {
    /// The HTTP status again.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(crate) code: i64,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) message: String,
    /// The name of one of google.rpc.Code: `INVALID_ARGUMENT`.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) status: String,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<Detail>,
}

/// More on an error: which field is at fault (google.rpc.BadRequest), or a word for it (google.rpc.ErrorInfo).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Detail {
    #[serde(rename = "@type", deserialize_with = "lenient::text")]
    pub(crate) r#type: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub(crate) field_violations: Vec<FieldViolation>,
}

/// A field at fault.
#[derive(Debug, Serialize)]
pub(crate) struct FieldViolation {
    pub(crate) field: String,
    pub(crate) description: String,
}

/// True, and nothing else that means it.
fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| value == Value::Bool(true))
}
