//! EvoLink's files, both ways: sent ahead of a request, for a URL. Its hosts keep them for 72 hours.

use domain::{Call, DraftUpload, Failure, Reply};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::outgoing::FormBody;
use crate::refusal::puzzling;
use crate::{Upload, UploadFile, answer, lenient, rfc3339, upload, web};

pub(super) const UPLOAD_BASE64: &str = "/api/v1/files/upload/base64";
pub(super) const UPLOAD_STREAM: &str = "/api/v1/files/upload/stream";
pub(super) const UPLOAD_URL: &str = "/api/v1/files/upload/url";

/// A reply: with `success`, since `code` repeats the HTTP status.
#[derive(Debug, Serialize)]
struct Uploaded<'a> {
    success: bool,
    code: u16,
    msg: &'static str,
    data: StoredFile<'a>,
}

/// `data` of a reply, as we send it.
#[derive(Debug, Serialize)]
struct StoredFile<'a> {
    file_id: &'a str,
    file_name: &'a str,
    original_name: &'a str,
    /// Bytes.
    file_size: u64,
    mime_type: &'a str,
    file_url: &'a str,
    download_url: &'a str,
    /// RFC 3339; so is the next.
    upload_time: String,
    expires_at: String,
}

/// A reply, as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reported {
    success: Option<bool>,
    #[serde(deserialize_with = "lenient::nested")]
    data: Option<FileUrl>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileUrl {
    #[serde(deserialize_with = "lenient::text")]
    file_url: String,
}

/// The file in a client's call to one of the three paths.
pub(super) fn decode(path: &str, call: &Call) -> Result<DraftUpload, Failure> {
    let names = &["file_name", "fileName"];
    match path {
        UPLOAD_STREAM => upload::of_form(call, "file", names),
        UPLOAD_BASE64 => upload::of_json(call, "base64_data", names),
        _ => upload::of_json(call, "file_url", names),
    }
}

/// The reply to a client. Not sent: `upload_path`, since there are no folders here.
pub(super) fn encode(upload: &Upload) -> Reply {
    let Upload { id, url, name, media_type, bytes, created_at, expires_at } = upload;
    let data = StoredFile {
        file_id: id,
        file_name: name,
        original_name: name,
        file_size: *bytes,
        mime_type: media_type,
        file_url: url,
        download_url: url,
        upload_time: rfc3339::text_s(*created_at),
        expires_at: rfc3339::text_s(*expires_at),
    };
    let body = Uploaded { success: true, code: 200, msg: "File uploaded successfully", data };
    answer::json(StatusCode::OK, &body)
}

/// The call that brings a file to EvoLink, whose host of files is another one than that of tasks.
pub(super) fn encode_call(file: &UploadFile<'_>) -> Call {
    let mut form = FormBody::default();
    form.file("file", file.asset, file.media_type);
    form.post(UPLOAD_STREAM)
}

/// The file's URL at EvoLink.
pub(super) fn decode_reply(reply: &Reply) -> Result<String, String> {
    let reported: Reported = serde_json::from_slice(&reply.body).unwrap_or_default();
    let stored = reply.status.is_success() && reported.success != Some(false);
    let url = reported.data.filter(|_| stored).unwrap_or_default().file_url;
    if web::is_web_url(&url) { Ok(url) } else { Err(puzzling("no usable URL of the file", reply)) }
}
