//! The Videos part of OpenAI's API as it was served: a form or JSON in, one object out, whose clip lies at `/content`.
//! Rules from <https://platform.openai.com/docs/api-reference/videos> and the types of OpenAI's Python client.
//!
//! The object also has a `url`, as that of most other hosts of this API. Deliberately absent: list, remix, delete,
//! thumbnails; the order's own fields in the answer to a submit.

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, read_json, text_field};
use crate::form;
use crate::task::{Kind, Order, Progress, Task};

const MODELS: &[&str] = &["sora-2", "sora-2-pro"];
const SECONDS: &[&str] = &["4", "8", "12"];
const SIZES: &[&str] = &["720x1280", "1280x720", "1024x1792", "1792x1024"];

pub(super) struct OpenAi;

impl Api for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let rest = path.strip_prefix("/v1/videos")?;
        if rest.is_empty() {
            return (method == Method::POST).then_some(Route::Submit(Kind::Video));
        }
        let id = rest.strip_prefix('/').filter(|id| method == Method::GET && !id.is_empty())?;
        match id.split_once('/') {
            None => Some(Route::Poll { id: decode_percent(id), kind: Some(Kind::Video) }),
            Some((id, "content")) if matches!(query, "" | "variant=video") => {
                Some(Route::Content { id: decode_percent(id) })
            }
            Some(_) => None,
        }
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        form::read(content_type.unwrap_or_default(), body).unwrap_or_else(|| read_json(body))
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("The request body must be an object.".into()));
        }
        let prompt = text_field(body, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt =
            prompt.ok_or_else(|| Refusal::Invalid("Missing required parameter: 'prompt'.".into()))?;
        let model = one_of(body, "model", MODELS)?.unwrap_or("sora-2");
        one_of(body, "seconds", SECONDS)?;
        let size = one_of(body, "size", SIZES)?.unwrap_or("720x1280");
        check_reference(body)?;
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: None,
            size: Some(size.to_owned()),
        })
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        let body = json!({ "id": id, "object": "video", "status": "queued", "progress": 0, "error": null });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let failed = |code: &str, message: &str| json!({ "code": code, "message": message });
        let (status, percent, error) = match progress {
            Progress::Waiting => ("queued", 0, Value::Null),
            Progress::Running { percent } => ("in_progress", percent, Value::Null),
            Progress::Succeeded => ("completed", 100, Value::Null),
            Progress::Failed => ("failed", 0, failed("server_error", "The generation failed.")),
            Progress::Refused => (
                "failed",
                0,
                failed("moderation_blocked", "The request was blocked by our moderation system."),
            ),
        };
        let is_done = progress == Progress::Succeeded;
        let mut body = json!({
            "id": task.id,
            "object": "video",
            "model": task.order.model,
            "status": status,
            "progress": percent,
            "created_at": task.accepted_at_ms / 1000,
            "completed_at": is_done.then(|| task.finished_at_ms() / 1000),
            "expires_at": null,
            "error": error,
            "prompt": task.order.prompt,
            "remixed_from_video_id": null,
            "size": task.order.size,
        });
        if is_done {
            body["url"] = media_url.into();
        }
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, code, text) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, Some("invalid_api_key"), "Incorrect API key provided.")
            }
            Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, None, text.as_str()),
            Refusal::Invalid(text) => (StatusCode::BAD_REQUEST, Some("invalid_value"), text.as_str()),
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, Some("not_found"), "Video not found."),
            Refusal::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded"), "Rate limit reached.")
            }
            Refusal::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, Some("server_error"), "The server had an error.")
            }
        };
        let r#type = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": text, "type": r#type, "param": null, "code": code });
        Answer { status, body: json!({ "error": error }) }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("video_{random}")
    }
}

/// A file, or an object that refers to an image.
fn check_reference(body: &Value) -> Result<(), Refusal> {
    let Some(reference) = field(body, "input_reference") else { return Ok(()) };
    if !reference.is_object() {
        return Err(Refusal::Invalid("input_reference must be a file or an object.".into()));
    }
    let is_file = reference.get("bytes").is_some();
    let url = text_field(reference, "image_url")?;
    let is_url =
        |url: &str| ["https://", "http://", "data:image/"].iter().any(|start| url.starts_with(start));
    if is_file || url.is_some_and(is_url) || text_field(reference, "file_id")?.is_some() {
        return Ok(());
    }
    Err(Refusal::Invalid("input_reference must have a file_id or an image_url.".into()))
}

fn one_of<'a>(body: &'a Value, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match text_field(body, name)? {
        Some(value) if !allowed.contains(&value) => {
            let allowed = allowed.join(", ");
            Err(Refusal::Invalid(format!(
                "Invalid value: '{value}'. Supported values of {name} are: {allowed}."
            )))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "prompt": "a cat" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        OpenAi.decode(Kind::Video, &Place { base_url: "", path: "" }, &body)
    }

    #[test]
    fn documented_requests_are_read() {
        let order = decode(&json!({})).unwrap();
        assert_eq!((order.model.as_str(), order.size.as_deref()), ("sora-2", Some("720x1280")));
        for extra in [
            json!({ "model": "sora-2-pro", "seconds": "12", "size": "1792x1024" }),
            json!({ "input_reference": { "image_url": "data:image/png;base64,AAAA" } }),
            json!({ "input_reference": { "file_id": "file-1" } }),
            json!({ "input_reference": { "filename": "a.png", "bytes": 4 } }),
        ] {
            assert!(decode(&extra).is_ok(), "{extra}");
        }
    }

    #[test]
    fn what_openai_does_not_take_is_refused() {
        for extra in [
            json!({ "prompt": " " }),
            json!({ "model": "veo3" }),
            json!({ "seconds": 8 }),
            json!({ "seconds": "5" }),
            json!({ "size": "1920x1080" }),
            json!({ "input_reference": "https://example.com/a.png" }),
            json!({ "input_reference": {} }),
            json!({ "input_reference": { "image_url": "ftp://example.com/a.png" } }),
        ] {
            assert!(matches!(decode(&extra), Err(Refusal::Invalid(_))), "{extra}");
        }
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path, query| OpenAi.route(&method, path, query);
        assert_eq!(route(Method::POST, "/v1/videos", ""), Some(Route::Submit(Kind::Video)));
        let poll = Route::Poll { id: "video_1:2".into(), kind: Some(Kind::Video) };
        assert_eq!(route(Method::GET, "/v1/videos/video_1%3A2", ""), Some(poll));
        for query in ["", "variant=video"] {
            let content = Some(Route::Content { id: "video_1".into() });
            assert_eq!(route(Method::GET, "/v1/videos/video_1/content", query), content);
        }
        for (method, path, query) in [
            (Method::GET, "/v1/videos", ""),
            (Method::GET, "/v1/videos/", ""),
            (Method::POST, "/v1/videos/generations", ""),
            (Method::GET, "/v1/videos/video_1/content", "variant=thumbnail"),
            (Method::GET, "/v1/videos/video_1/remix", ""),
        ] {
            assert_eq!(route(method.clone(), path, query), None, "{method} {path}");
        }
    }
}
