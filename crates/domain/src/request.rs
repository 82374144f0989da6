//! What is wanted: first as a client wrote it, then as a task keeps it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AccountName, AssetId, Preference, TaskId, TaskTrace};

/// The three kinds of generation of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Still pictures.
    Images,
    /// Clips.
    Videos,
    /// Music and speech.
    Audio,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Images, Self::Videos, Self::Audio];

    /// As it stands in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Videos => "videos",
            Self::Audio => "audio",
        }
    }

    /// From a path segment.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What a client asked for, decoded but not yet checked against a model: the model may be missing, inputs may be
/// inline, and images have no role yet where the client's API knows none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The kind of result; decided by the model where the client's API does not say.
    pub scope: Option<Scope>,
    /// The public model name; the scope's default if absent.
    pub model: Option<String>,
    /// The prompt; may be empty where inputs say enough.
    pub prompt: String,
    /// Media that goes in, in the client's order.
    pub inputs: Vec<DraftInput>,
    /// What the result shall be like.
    pub output: OutputSpec,
    /// The earlier result that this one is made from.
    pub basis: Option<DraftBasis>,
    /// Whom to tell when the task has ended.
    pub callback: Option<Callback>,
    /// Which accounts the client wants, and in which order.
    pub preference: Preference,
    /// Fields that only the client's own API knows.
    pub vendor: Option<Vendor>,
    /// Where the request stands in a trace; it says nothing of what is wanted.
    pub trace: Option<TaskTrace>,
}

/// A result of an earlier task, as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftBasis {
    /// The task; it belongs to the same owner and has succeeded.
    pub task: TaskId,
    /// Which of its results, from 0.
    pub index: usize,
    /// What is made of it.
    pub derivation: Derivation,
}

/// One input of a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftInput {
    /// Its part; decided by the model if absent.
    pub role: Option<Role>,
    /// The field that it came in, for messages: `images[0]`.
    pub field: String,
    /// The media.
    pub media: DraftMedia,
}

/// Media as a client gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum DraftMedia {
    /// By reference.
    Url(String),
    /// In the request itself, decoded.
    Inline(Bytes),
}

/// A file that a client sends ahead of a request, to refer to it by URL.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftUpload {
    /// The file.
    pub media: DraftMedia,
    /// The field that it came in, for messages.
    pub field: String,
    /// The client's own name for it; empty if it gave none.
    pub name: String,
}

/// What a task keeps: complete, checked against its model, media by reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationRequest {
    /// The kind of result.
    pub scope: Scope,
    /// The public model name.
    pub model: String,
    /// The prompt.
    pub prompt: String,
    /// Media that goes in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What the result shall be like.
    #[serde(default)]
    pub output: OutputSpec,
    /// The earlier result that this one is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Whom to tell when the task has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
    /// Which accounts may serve it, and in which order: what the client, its key and their bounds come to.
    #[serde(default, skip_serializing_if = "Preference::is_empty")]
    pub preference: Preference,
    /// Fields that only one API knows; passed on to a provider of the same API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Vendor>,
    /// Where its work stands in a trace, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TaskTrace>,
}

impl GenerationRequest {
    /// A request for `scope` that says nothing but what is required.
    pub fn new(scope: Scope, model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            scope,
            model: model.into(),
            prompt: prompt.into(),
            inputs: Vec::new(),
            output: OutputSpec::default(),
            basis: None,
            callback: None,
            preference: Preference::default(),
            vendor: None,
            trace: None,
        }
    }
}

/// A result of an earlier task, with what its upstream needs to find it. Only the account that made it can go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The earlier task.
    pub task: TaskId,
    /// Which of its results, from 0.
    pub index: usize,
    /// What is made of it.
    pub derivation: Derivation,
    /// The account that made it.
    pub account: AccountName,
    /// The upstream's own id of the earlier task.
    pub handle: String,
}

/// What is made of an earlier result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// Another one like it, changed as the prompt says.
    Remix,
    /// The same one with more lines; `OutputSpec::resolution` says how many.
    Upscale,
}

impl Derivation {
    /// As it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remix => "remix",
            Self::Upscale => "upscale",
        }
    }
}

/// Whom to tell when a task has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Where the client listens.
    pub url: String,
    /// What else the client's API says of its callbacks, in words of that API; empty if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// One input of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its part.
    pub role: Role,
    /// The media.
    pub media: Media,
}

/// Media by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Somewhere on the web.
    Url(String),
    /// In our asset storage.
    Asset {
        /// The asset.
        id: AssetId,
        /// For instance `image/png`.
        media_type: String,
    },
}

impl Media {
    /// A URL that an upstream can fetch, given where this gateway is reached (no trailing slash).
    pub fn url(&self, base_url: &str) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Asset { id, media_type } => id.url(base_url, media_type),
        }
    }
}

/// The part that an input plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The clip begins with it.
    FirstFrame,
    /// The clip ends with it.
    LastFrame,
    /// A person, thing or style to keep to.
    Reference,
    /// A clip to go on from or to change.
    Video,
    /// Sound to go with the result.
    Audio,
    /// Where an image may be changed.
    Mask,
}

/// What the result shall be like. Absent means: the provider's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputSpec {
    /// `width:height`, for instance `16:9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// `720p`, `1080p`, `4k`: lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// `1024x1024` or a word of the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// For the same result again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Let the provider rewrite the prompt (translate it, make it longer).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhance_prompt: Option<bool>,
    /// Let the provider enlarge the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upsample: Option<bool>,
    /// Let the provider mark the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<bool>,
    /// How many results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What must not be seen or heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Whether a clip has sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// How much work goes into an image: `low`, `medium`, `high`, `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// The file format: `png`, `jpeg`, `webp`, `mp3`, `wav` ...; lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Who speaks, in the model's own names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

/// Fields of one API that have no meaning outside it, untouched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vendor {
    /// The registry name of the API.
    pub api: String,
    /// The fields as they came.
    pub fields: Map<String, Value>,
}
