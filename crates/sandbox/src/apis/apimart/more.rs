//! APIMart's calls beside its tasks: a remix of an earlier clip, and files.

use http::StatusCode;
use serde_json::{Value, json};

use super::{OFFICIAL_MODELS, VEO_MODELS, one_of};
use crate::apis::{Answer, Refusal, decode_percent, file_field, text_field};
use crate::task::{Order, Task};

pub(super) const UPLOAD: &str = "/v1/uploads/images";
/// What APIMart's ids begin with: another API has the same path, and other ids.
const ID: &str = "task_";

/// The id of the clip that a path is to remix.
pub(super) fn remixed(path: &str) -> Option<String> {
    let id = path.strip_prefix("/v1/videos/")?.strip_suffix("/remix")?;
    (id.starts_with(ID) && !id.contains('/')).then(|| decode_percent(id))
}

/// Reads the body of a remix.
pub(super) fn decode_remix(from: &Task, body: &Value) -> Result<Order, Refusal> {
    let required = |name: &str| {
        let text = text_field(body, name)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| Refusal::Invalid(format!("{name} is required")))
    };
    let (model, prompt) = (required("model")?, required("prompt")?);
    one_of("model", model, &[VEO_MODELS, OFFICIAL_MODELS].concat())?;
    let ratio = text_field(body, "aspect_ratio")?;
    one_of("aspect_ratio", ratio.unwrap_or("16:9"), &["16:9", "9:16"])?;
    one_of("resolution", text_field(body, "resolution")?.unwrap_or("720p"), &["720p", "1080p", "4k", "4K"])?;
    let ratio = ratio.map(str::to_owned).or_else(|| from.order.aspect_ratio.clone());
    Ok(Order {
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        aspect_ratio: ratio,
        ..from.order.clone()
    })
}

/// The answer to a file, which has no envelope.
pub(super) fn take_file(body: &Value, url: &str) -> Result<Answer, Refusal> {
    let (name, bytes) = file_field(body, "file")?;
    let body = json!({
        "url": url, "filename": name, "content_type": "image/png", "bytes": bytes, "created_at": 1_767_225_600,
    });
    Ok(Answer { status: StatusCode::OK, body })
}
