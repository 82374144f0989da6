//! kie's JSON beside its tasks, for both faces: larger clips, callbacks, files.

use serde::{Deserialize, Serialize};

use crate::cost::Credits;
use crate::lenient;

/// The body of a request for a clip in 4k, as we send it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Enlarge<'a> {
    pub(super) task_id: &'a str,
    pub(super) index: usize,
    /// Where kie tells us that it is there. Not sent when we ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call_back_url: Option<&'a str>,
}

/// `data` of the reply to a request for a larger clip. With 1080 lines there is only `resultUrl`, and nothing at all
/// before; in 4k there are the lists. Clients read either, so we send both.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Enlarged {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) task_id: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub(super) result_url: String,
    #[serde(deserialize_with = "lenient::texts", skip_serializing)]
    pub(super) result_urls: Vec<String>,
}

/// The same in 4k, as we send it: null where there are none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Enlarged4k {
    #[serde(flatten)]
    pub(super) clip: Enlarged,
    pub(super) result_urls: Option<Vec<String>>,
    /// Previews, of which we have none.
    pub(super) image_urls: Option<Vec<String>>,
}

/// `data` of a callback about a clip.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) task_id: String,
    /// Of a larger clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credits_consumed: Option<Credits>,
    /// At success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<Info>,
    /// Not of a larger clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fallback_flag: Option<bool>,
}

/// The results in a callback: not `response`, as in a poll.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub(super) result_urls: Vec<String>,
    /// The uncropped clips: we have none to give. Not of a larger clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin_urls: Option<Vec<String>>,
    /// Previews of a larger clip: we have none to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_urls: Option<Vec<String>>,
    /// Where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
}

/// `data` of a callback, for whose signature it counts: the documents have both names of the id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignedIds {
    #[serde(rename = "taskId", deserialize_with = "lenient::text")]
    pub(super) camel: String,
    #[serde(rename = "task_id", deserialize_with = "lenient::text")]
    pub(super) snake: String,
}

/// The reply to a file, which says `success`, too. The documents have two lists of fields, and only `downloadUrl` is on
/// both: of the other names we send those that clients read.
#[derive(Debug, Serialize)]
pub(super) struct Uploaded<'a> {
    pub(super) success: bool,
    pub(super) code: u16,
    pub(super) msg: &'static str,
    pub(super) data: StoredFile<'a>,
}

/// `data` of the reply to a file, as we send it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredFile<'a> {
    pub(super) file_id: &'a str,
    pub(super) file_name: &'a str,
    pub(super) file_path: &'a str,
    pub(super) file_url: &'a str,
    pub(super) download_url: &'a str,
    /// Bytes.
    pub(super) file_size: u64,
    pub(super) mime_type: &'a str,
    /// RFC 3339; so is the next.
    pub(super) uploaded_at: String,
    pub(super) expires_at: String,
}

/// The same, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FileUrls {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) download_url: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) file_url: String,
}
