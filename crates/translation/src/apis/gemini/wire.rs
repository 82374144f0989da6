//! What only this API has on the wire: the response of an operation, and the list of models.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "gemini";

/// `response` of an operation.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(rename = "@type", skip_deserializing)]
    pub(super) r#type: &'static str,
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) generate_video_response: Option<Samples>,
}

/// The clips of a response.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Samples {
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) generated_samples: Vec<Sample>,
    #[serde(deserialize_with = "lenient::texts", skip_serializing)]
    pub(super) rai_media_filtered_reasons: Vec<String>,
}

/// One of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sample {
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) video: Option<Video>,
}

/// Where a clip is, or the clip itself.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Video {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) uri: String,
    /// Base64; some hosts have it in place of an address.
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) encoded_video: String,
}

/// The list of models.
#[derive(Debug, Serialize)]
pub(super) struct ModelList<'a> {
    pub(super) models: Vec<Model<'a>>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model<'a> {
    /// `models/` and the name.
    pub(super) name: String,
    pub(super) display_name: &'a str,
    pub(super) description: String,
    pub(super) supported_generation_methods: [&'static str; 1],
}
