//! Runway's JSON as it is on the wire.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The registry name of the API.
pub(super) const NAME: &str = "runway";
/// The header without which nothing is answered, and the version that these shapes are of.
pub(super) const VERSION_HEADER: &str = "x-runway-version";
pub(super) const VERSION: &str = "2024-11-06";

/// The body of a submission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generation<'a> {
    pub(super) model: &'a str,
    pub(super) prompt_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_image: Option<PromptImage>,
    /// `1280:720`.
    pub(super) ratio: &'a str,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative_prompt: Option<&'a str>,
}

/// Images: one that the clip begins with, or several with their positions.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PromptImage {
    First(String),
    Placed(Vec<PlacedImage>),
}

/// An image with its position: `first` or `last`.
#[derive(Debug, Serialize)]
pub(super) struct PlacedImage {
    pub(super) uri: String,
    pub(super) position: &'static str,
}

/// The reply to a submission.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Created {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: String,
}

/// The words of `status`.
pub(super) mod status {
    pub(in super::super) const PENDING: &str = "PENDING";
    /// Waits because the account has too many at work.
    pub(in super::super) const THROTTLED: &str = "THROTTLED";
    pub(in super::super) const RUNNING: &str = "RUNNING";
    pub(in super::super) const SUCCEEDED: &str = "SUCCEEDED";
    pub(in super::super) const FAILED: &str = "FAILED";
    pub(in super::super) const CANCELLED: &str = "CANCELLED";
}

/// The reply to a poll.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Task {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: String,
    /// `0` to `1`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) progress: String,
    #[serde(deserialize_with = "lenient::texts")]
    pub(super) output: Vec<String>,
    /// Why it failed, in words.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) failure: String,
    /// `SAFETY.INPUT.TEXT` and others.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) failure_code: String,
}

/// The reply to a request that failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorReply {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) error: String,
    /// What is wrong with the body.
    #[serde(deserialize_with = "lenient::objects")]
    pub(super) issues: Vec<Issue>,
}

/// One thing that is wrong with a body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Issue {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: String,
}

impl ErrorReply {
    /// What went wrong, in one line.
    pub(super) fn said(&self) -> String {
        let issues = self.issues.iter().map(|issue| issue.message.as_str());
        let parts: Vec<&str> =
            [self.error.as_str()].into_iter().chain(issues).filter(|text| !text.is_empty()).collect();
        parts.join(" ")
    }
}
