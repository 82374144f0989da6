//! The contract's JSON as it is on the wire, for both faces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

/// The registry name of the API, and of its vendor fields.
pub(super) const NAME: &str = "v2";

/// The fields that say where a client listens, the first of which says upstream where we do; the second also stands in
/// the query.
pub(super) const CALLBACKS: [&str; 2] = ["notify_hook", WEBHOOK];
/// The second.
pub(super) const WEBHOOK: &str = "webhook";

/// The body of `POST /v2/{scope}/generations`, as we send it. What clients send us instead is read field by field in
/// the dialect, because it has more spellings than a struct can hold.
#[derive(Debug, Serialize)]
pub(super) struct Generation<'a> {
    pub(super) prompt: &'a str,
    pub(super) model: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) videos: Vec<String>,
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
    pub(super) watermark: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enhance_prompt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enable_upsample: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_audio: Option<bool>,
    /// How many pictures; so are the next two of pictures alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_format: Option<&'a str>,
    /// Where the host tells us that something has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notify_hook: Option<&'a str>,
    /// Fields of the contract that have no meaning outside it; none has a name that stands above.
    #[serde(flatten)]
    pub(super) vendor: Map<String, Value>,
}

/// The reply to a submission. Some hosts say `id`; we never do.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Created {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing)]
    pub(super) id: String,
}

/// The four words of `status` that clients compare with; hosts have more.
pub(super) mod status {
    pub(in super::super) const NOT_START: &str = "NOT_START";
    pub(in super::super) const IN_PROGRESS: &str = "IN_PROGRESS";
    pub(in super::super) const SUCCESS: &str = "SUCCESS";
    pub(in super::super) const FAILURE: &str = "FAILURE";
    /// All of them.
    pub(in super::super) const ALL: [&str; 4] = [NOT_START, IN_PROGRESS, SUCCESS, FAILURE];
}

/// The reply to a poll.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct TaskReply {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) platform: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) action: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) fail_reason: String,
    /// The same as `fail_reason`, for clients that look here.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    /// Unix seconds, 0 when unknown; so are the next two.
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) submit_time: i64,
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) start_time: i64,
    #[serde(deserialize_with = "lenient::whole_or_zero")]
    pub(super) finish_time: i64,
    /// `42%`: always text, because clients cut the `%` off.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) progress: String,
    /// Null before success and at failure: clients look for errors and URLs in here.
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) data: Option<Data>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) search_item: String,
}

/// `data` of a finished task.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Data {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) output: String,
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) outputs: Vec<String>,
}

/// An error: one half of the clients reads the outer fields, the other half `error`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(skip_deserializing)]
    pub(super) data: (),
    #[serde(deserialize_with = "lenient::nested")]
    pub(super) error: Option<ErrorDetail>,
}

/// The inner half of an error.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct ErrorDetail {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) r#type: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) code: String,
    /// The request field at fault.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) param: String,
}

/// The reply to a file.
#[derive(Debug, Serialize)]
pub(super) struct StoredFile<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    /// Its size.
    pub(super) bytes: u64,
    /// Unix seconds.
    pub(super) created_at: i64,
    pub(super) filename: &'a str,
    pub(super) url: &'a str,
}

/// The reply to a poll of `/v1/images/tasks/{task_id}`.
#[derive(Debug, Serialize)]
pub(super) struct ImageTaskReply {
    code: &'static str,
    message: String,
    /// Like [`TaskReply`], with its `data` as [`ImageResult`].
    data: Map<String, Value>,
}

/// Pictures, as the synchronous API answers.
#[derive(Debug, Serialize)]
struct ImageResult {
    /// Unix seconds.
    created: i64,
    data: Vec<ImageUrl>,
}

#[derive(Debug, Serialize)]
struct ImageUrl {
    url: String,
}

impl ImageTaskReply {
    /// The same standing in the other shape.
    pub(super) fn of(mut task: TaskReply) -> Self {
        let result = task.data.take().map(|data| ImageResult {
            created: task.submit_time,
            data: data.outputs.into_iter().map(|url| ImageUrl { url }).collect(),
        });
        let message = std::mem::take(&mut task.message);
        let mut data = match serde_json::to_value(task) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        data.insert("data".to_owned(), serde_json::to_value(result).unwrap_or_default());
        Self { code: "success", message, data }
    }
}
