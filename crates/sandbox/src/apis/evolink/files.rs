//! EvoLink's files. Rules from <https://docs.evolink.ai/en/api-manual/file-series>.

use http::StatusCode;
use serde_json::{Value, json};

use super::{has_scheme, invalid};
use crate::apis::{Answer, Refusal, file_field, text_field};

/// What the three paths begin with.
pub(super) const PATHS: &str = "/api/v1/files/upload/";

/// The answer to a file: as a form, as base64, or by its URL.
pub(super) fn take(path: &str, body: &Value, url: &str) -> Result<Answer, Refusal> {
    let (name, bytes) = match path.strip_prefix(PATHS) {
        Some("stream") => file_field(body, "file")?,
        Some("base64") => match text_field(body, "base64_data")? {
            Some(data) => ("file.png", data.len() as u64 * 3 / 4),
            None => return invalid("base64_data is required".into()),
        },
        Some("url") => match text_field(body, "file_url")? {
            Some(url) if has_scheme(url, &["http", "https"]) => ("file.png", 1),
            _ => return invalid("file_url must be an http or https URL".into()),
        },
        _ => return Err(Refusal::UnknownTask),
    };
    let name = text_field(body, "file_name")?.unwrap_or(name);
    let data = json!({
        "file_id": "file_abc123",
        "file_name": name,
        "original_name": name,
        "file_size": bytes,
        "mime_type": "image/png",
        "upload_path": "images",
        "file_url": url,
        "download_url": url,
        "upload_time": "2026-01-01T00:00:00+08:00",
        "expires_at": "2026-01-04T00:00:00+08:00",
    });
    let body = json!({ "success": true, "code": 200, "msg": "File uploaded successfully", "data": data });
    Ok(Answer { status: StatusCode::OK, body })
}
