//! kie.ai's files. Rules from <https://docs.kie.ai/file-upload-api>.

use http::StatusCode;
use serde_json::{Value, json};

use super::{invalid, is_web_url};
use crate::apis::{Answer, Refusal, field, file_field, text_field};

pub(super) const STREAM: &str = "/api/file-stream-upload";
pub(super) const BASE64: &str = "/api/file-base64-upload";
pub(super) const URL: &str = "/api/file-url-upload";

/// The answer to a file. A folder is required, a name is not.
pub(super) fn take(path: &str, body: &Value, url: &str) -> Result<Answer, Refusal> {
    let folder = text_field(body, "uploadPath")?;
    let folder = folder.ok_or_else(|| Refusal::Invalid("uploadPath is required".into()))?;
    let (sent, bytes) = match path {
        STREAM => file_field(body, "file")?,
        BASE64 => match text_field(body, "base64Data")? {
            Some(data) => ("file.png", data.len() as u64 * 3 / 4),
            None => return invalid("base64Data is required"),
        },
        _ if field(body, "fileUrl").is_some_and(is_web_url) => ("file.png", 1),
        _ => return invalid("fileUrl must be an http or https URL"),
    };
    let name = text_field(body, "fileName")?.unwrap_or(sent);
    let data = json!({
        "fileName": name,
        "filePath": format!("{folder}/{name}"),
        "downloadUrl": url,
        "fileSize": bytes,
        "mimeType": "image/png",
        "uploadedAt": "2026-01-01T12:00:00.000Z",
    });
    let body = json!({ "success": true, "code": 200, "msg": "File uploaded successfully", "data": data });
    Ok(Answer { status: StatusCode::OK, body })
}
