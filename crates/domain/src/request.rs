//! What is wanted: first as a client wrote it, then as a task keeps it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::AssetId;

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
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The kind of result.
    pub scope: Scope,
    /// The public model name; the scope's default if absent.
    pub model: Option<String>,
    /// The prompt; may be empty where inputs say enough.
    pub prompt: String,
    /// Media that goes in, in the client's order.
    pub inputs: Vec<DraftInput>,
    /// What the result shall be like.
    pub output: OutputSpec,
    /// Fields that only the client's own API knows.
    pub vendor: Option<Vendor>,
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
    /// Fields that only one API knows; passed on to a provider of the same API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Vendor>,
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
}

/// Fields of one API that have no meaning outside it, untouched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vendor {
    /// The registry name of the API.
    pub api: String,
    /// The fields as they came.
    pub fields: Map<String, Value>,
}
