//! What only this API has on the wire: how an operation is asked for, its response, and the list of models.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "vertex";
/// The vendor field in which a task keeps the project and the location that its client wrote into the path; never sent.
pub(super) const PARENT: &str = "parent";

/// The body of a question about an operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fetch<'a> {
    pub(super) operation_name: &'a str,
}

/// `response` of an operation.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(rename = "@type", skip_deserializing)]
    pub(super) r#type: &'static str,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) videos: Vec<Video>,
    #[serde(deserialize_with = "lenient::texts", skip_serializing)]
    pub(super) rai_media_filtered_reasons: Vec<String>,
}

/// One clip: where it is, or the clip itself.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Video {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) gcs_uri: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) bytes_base64_encoded: String,
    /// `video/mp4`.
    #[serde(skip_deserializing)]
    pub(super) mime_type: String,
}

/// The list of models.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelList {
    pub(super) publisher_models: Vec<Model>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    /// `publishers/google/models/` and the name.
    pub(super) name: String,
    pub(super) version_id: &'static str,
}
