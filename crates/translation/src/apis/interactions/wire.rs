//! The Interactions API's JSON as it is on the wire, for both faces.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "interactions";
/// The header that has the key.
pub(super) const KEY: &str = "x-goog-api-key";

/// The object of a request that says how a model works; so is the next, of what it makes.
pub(super) const GENERATION_CONFIG: &str = "generation_config";
pub(super) const RESPONSE_FORMAT: &str = "response_format";
/// In [`RESPONSE_FORMAT`]: how results come, and the word for addresses.
pub(super) const DELIVERY: &str = "delivery";
pub(super) const URI: &str = "uri";
/// In [`GENERATION_CONFIG`]; its `task` says what media are for.
pub(super) const VIDEO_CONFIG: &str = "video_config";

/// The words of `video_config.task` that have to do with images.
pub(super) mod task {
    pub(in super::super) const FRAMES: &str = "image_to_video";
    pub(in super::super) const REFERENCES: &str = "reference_to_video";
}

/// How a prompt binds images to their parts.
pub(super) mod tag {
    pub(in super::super) const FIRST_FRAME: &str = "<FIRST_FRAME>";
    pub(in super::super) const LAST_FRAME: &str = "<LAST_FRAME>";
    /// Followed by a number and `>`.
    pub(in super::super) const REFERENCE: &str = "<IMAGE_REF_";
    /// Begins a declaration of all the parts.
    pub(in super::super) const DECLARATION: &str = "[# ";
}

/// The types of content and of steps.
pub(super) mod kind {
    pub(in super::super) const TEXT: &str = "text";
    pub(in super::super) const IMAGE: &str = "image";
    pub(in super::super) const VIDEO: &str = "video";
    pub(in super::super) const USER_INPUT: &str = "user_input";
    pub(in super::super) const MODEL_OUTPUT: &str = "model_output";
}

/// The words of `status`.
pub(super) mod status {
    pub(in super::super) const QUEUED: &str = "queued";
    pub(in super::super) const IN_PROGRESS: &str = "in_progress";
    pub(in super::super) const COMPLETED: &str = "completed";
    pub(in super::super) const FAILED: &str = "failed";
    pub(in super::super) const CANCELLED: &str = "cancelled";
    /// Only upstreams say this and the next two: a clip has no other end than those above.
    pub(in super::super) const INCOMPLETE: &str = "incomplete";
    pub(in super::super) const BUDGET_EXCEEDED: &str = "budget_exceeded";
    pub(in super::super) const REQUIRES_ACTION: &str = "requires_action";
}

/// The reply to a creation, a poll and a cancellation.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Interaction {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
    /// `interaction`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) object: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// RFC 3339, to the second; so is the next.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) created: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) updated: String,
    /// What went in, and then what came out.
    #[serde(deserialize_with = "lenient::objects")]
    pub(super) steps: Vec<Step>,
    /// Why it failed.
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<ErrorDetail>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) previous_interaction_id: String,
    /// An older place of what came out.
    #[serde(deserialize_with = "lenient::objects", skip_serializing)]
    pub(super) outputs: Vec<Content>,
    /// Another place of why it failed.
    #[serde(deserialize_with = "lenient::nested", skip_serializing)]
    pub(super) error: Option<ErrorDetail>,
}

/// One step of an interaction.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    #[serde(deserialize_with = "lenient::objects")]
    pub(super) content: Vec<Content>,
    #[serde(deserialize_with = "lenient::nested", skip_serializing)]
    pub(super) error: Option<ErrorDetail>,
}

/// A piece of what went in or came out: media has `uri` or `data`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) mime_type: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) uri: String,
    /// Base64.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) data: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
}

/// The reply to a request that failed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<ErrorDetail>,
}

/// Why a request or an interaction failed. What stands before the API at Google says its codes as numbers, with the word
/// in `status`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorDetail {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) status: String,
}

impl ErrorReply {
    /// What went wrong: an object, or the first of a list of them.
    pub(super) fn parse(body: &[u8]) -> ErrorDetail {
        let first = |value: Value| match value {
            Value::Array(values) => values.into_iter().next().unwrap_or_default(),
            other => other,
        };
        let value = serde_json::from_slice(body).map(first).unwrap_or_default();
        let reply = Self::deserialize(value).unwrap_or_default();
        reply.error.unwrap_or_default()
    }
}

/// The message to a client's own server: where to look, and not what is there.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    pub(super) r#type: &'static str,
    pub(super) version: &'static str,
    /// RFC 3339, to the second.
    pub(super) timestamp: String,
    pub(super) data: EventData<'a>,
    /// As the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_metadata: Option<Map<String, Value>>,
}

/// `data` of an event.
#[derive(Debug, Serialize)]
pub(super) struct EventData<'a> {
    pub(super) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_message: Option<&'a str>,
}

/// The list of models.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelList {
    pub(super) models: Vec<ModelEntry>,
}

/// One model of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelEntry {
    /// `models/` and the public name.
    pub(super) name: String,
    pub(super) display_name: String,
    /// What it makes: `videos`.
    pub(super) description: String,
}
