//! APIMart as it serves its API: everything in `data` beside `code: 200`; refusals with an HTTP status and an `error`.
//! Rules from the pages of <https://docs.apimart.ai/en/api-reference> on veo3, gpt-image-2 and task status.
//!
//! A submit that repeats the key of an earlier one is answered with its task; one that has another body is refused. Deliberately
//! absent: the dated response version, the end of a key's life, callbacks; models of sound, which the documents do not have.

mod more;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const VEO_MODELS: &[&str] = &["veo3.1-fast", "veo3.1-quality", "veo3.1-lite"];
const OFFICIAL_MODELS: &[&str] = &["veo3.1-fast-official", "veo3.1-quality-official"];
const IMAGE_MODELS: &[&str] = &[
    "gemini-2.5-flash-image-preview",
    "gemini-3.1-flash-image-preview",
    "gemini-3-pro-image-preview",
    "gpt-image-2",
];
const IMAGE_RATIOS: &[&str] =
    &["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
/// From the end of a task to the end of its results.
const RESULT_LIFE_S: u64 = 24 * 3600;

/// What tells one submit from another.
const KEY: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 191;

pub(super) struct ApiMart;

impl Api for ApiMart {
    fn name(&self) -> &'static str {
        "apimart"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        match (method, path) {
            (&Method::POST, "/v1/videos/generations") => Some(Route::Submit(Kind::Video)),
            (&Method::POST, "/v1/images/generations") => Some(Route::Submit(Kind::Image)),
            (&Method::POST, more::UPLOAD) => Some(Route::Upload),
            (&Method::POST, _) => more::remixed(path).map(|id| Route::Derive { kind: Kind::Video, id }),
            (&Method::GET, _) => {
                let id = path.strip_prefix("/v1/tasks/")?;
                let is_one = !id.is_empty() && !id.contains('/');
                is_one.then(|| Route::Poll { id: decode_percent(id), kind: None })
            }
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("Invalid request body".into()));
        }
        let required = |name| {
            let text = text_field(body, name)?.filter(|text| !text.trim().is_empty());
            text.ok_or_else(|| Refusal::Invalid(format!("{name} is required")))
        };
        let (model, prompt) = (required("model")?, required("prompt")?);
        let (aspect_ratio, size) = match kind {
            Kind::Image => check_image(body, model)?,
            Kind::Video | Kind::Audio => (check_video(body, model)?, None),
        };
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: aspect_ratio.map(str::to_owned),
            size: size.map(str::to_owned),
        })
    }

    fn decode_derived(&self, from: &Task, body: &Value) -> Result<Order, Refusal> {
        more::decode_remix(from, body)
    }

    fn take_file(&self, _: &Place<'_>, body: &Value, url: &str) -> Result<Answer, Refusal> {
        more::take_file(body, url)
    }

    fn own_name(&self, headers: &HeaderMap, _: &Value) -> Result<Option<String>, Refusal> {
        let Some(key) = headers.get(KEY) else { return Ok(None) };
        let is_key =
            (1..=KEY_BYTES_MAX).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
        let key = key.to_str().ok().filter(|_| is_key);
        let key = key.ok_or_else(|| {
            Refusal::Invalid("Idempotency-Key must be 1-191 visible ASCII characters".into())
        })?;
        Ok(Some(key.to_owned()))
    }

    fn repeats(&self) -> bool {
        true
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        ok(json!([{ "status": "submitted", "task_id": id }]))
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let (status, percent) = match progress {
            Progress::Waiting => ("pending", 0),
            Progress::Running { percent } => ("processing", percent),
            Progress::Succeeded => ("completed", 100),
            Progress::Failed | Progress::Refused => ("failed", 100),
        };
        let mut data = json!({
            "id": task.id,
            "status": status,
            "progress": percent,
            "created": task.accepted_at_ms / 1000,
            "estimated_time": 60,
        });
        match progress {
            Progress::Waiting | Progress::Running { .. } => {}
            Progress::Succeeded => {
                let list = if task.order.kind == Kind::Image { "images" } else { "videos" };
                let completed = task.finished_at_ms() / 1000;
                let expires_at = completed + RESULT_LIFE_S;
                data["result"] = json!({ list: [{ "url": [media_url], "expires_at": expires_at }] });
                data["completed"] = json!(completed);
                data["actual_time"] = json!(completed - task.accepted_at_ms / 1000);
            }
            Progress::Failed => {
                data["error"] =
                    json!({ "code": 500, "message": "Video generation failed", "type": "server_error" });
            }
            Progress::Refused => {
                let text = "The prompt violates the content policy";
                data["error"] = json!({ "code": 400, "message": text, "type": "invalid_request_error" });
            }
        }
        ok(data)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, r#type, text) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "authentication_error", "Invalid authentication credentials")
            }
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                (StatusCode::BAD_REQUEST, "invalid_request_error", text.as_str())
            }
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, "not_found_error", "Task not found"),
            Refusal::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "Rate limit exceeded. Please try again later",
            ),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Internal server error"),
        };
        let error = json!({ "code": status.as_u16(), "message": text, "type": r#type });
        Answer { status, body: json!({ "error": error }) }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("task_{}", random.to_ascii_uppercase())
    }
}

fn ok(data: Value) -> Answer {
    Answer { status: StatusCode::OK, body: json!({ "code": 200, "data": data }) }
}

/// Refuses what the model does not take; returns the ratio.
fn check_video<'a>(body: &'a Value, model: &str) -> Result<Option<&'a str>, Refusal> {
    let is_official = OFFICIAL_MODELS.contains(&model);
    if !is_official {
        one_of("model", model, VEO_MODELS)?;
    }
    let ratio = text_field(body, "aspect_ratio")?;
    one_of("aspect_ratio", ratio.unwrap_or("16:9"), &["16:9", "9:16"])?;
    let resolutions = if is_official { &["720p", "1080p", "4K"] } else { &["720p", "1080p", "4k"] };
    one_of("resolution", text_field(body, "resolution")?.unwrap_or("720p"), resolutions)?;
    whole(body, "duration", if is_official { &[4, 6, 8] } else { &[8] })?;
    let mode = text_field(body, "generation_type")?;
    let images_max = match (is_official, mode) {
        (true, _) => 0,
        (false, None | Some("frame")) => 2,
        (false, Some("reference")) if model != "veo3.1-lite" => 3,
        (false, Some(other)) => return invalid(format!("generation_type {other} is not supported")),
    };
    check_urls(body, "image_urls", images_max)?;
    for name in ["first_frame_image", "last_frame_image"] {
        match field(body, name) {
            Some(_) if !is_official => return invalid(format!("{name} is not supported by {model}")),
            Some(url) if !is_web_url(url) => return invalid(format!("{name} must be a URL")),
            _ => {}
        }
    }
    if field(body, "last_frame_image").is_some() && field(body, "first_frame_image").is_none() {
        return invalid("last_frame_image needs first_frame_image".into());
    }
    Ok(ratio)
}

/// Refuses what the model does not take; returns ratio and pixels, of which one field holds either.
fn check_image<'a>(body: &'a Value, model: &str) -> Result<(Option<&'a str>, Option<&'a str>), Refusal> {
    one_of("model", model, IMAGE_MODELS)?;
    let is_gpt = model.starts_with("gpt-image");
    check_urls(body, "image_urls", 14)?;
    whole(body, "n", &[1, 2, 3, 4])?;
    if let Some(resolution) = text_field(body, "resolution")? {
        one_of("resolution", resolution, if is_gpt { &["1k", "2k", "4k"] } else { &["1K", "2K", "4K"] })?;
    }
    match text_field(body, "size")? {
        Some(size) if is_gpt && is_pixels(size) => Ok((None, Some(size))),
        Some(size) => one_of("size", size, IMAGE_RATIOS).map(|()| (Some(size), None)),
        None => Ok((None, None)),
    }
}

fn check_urls(body: &Value, name: &str, count_max: usize) -> Result<(), Refusal> {
    let urls = match field(body, name) {
        None => &[],
        Some(Value::Array(urls)) => urls.as_slice(),
        Some(_) => return invalid(format!("{name} must be an array")),
    };
    if !urls.iter().all(is_web_url) {
        return invalid(format!("{name} must be public http(s) URLs"));
    }
    if urls.len() > count_max {
        return invalid(format!("{name} may hold {count_max} URLs"));
    }
    Ok(())
}

fn is_web_url(value: &Value) -> bool {
    let uri = value.as_str().and_then(|text| text.parse::<http::Uri>().ok());
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// `1024x1536`.
fn is_pixels(size: &str) -> bool {
    let sides = size.split_once('x');
    sides.is_some_and(|(width, height)| width.parse::<u32>().is_ok() && height.parse::<u32>().is_ok())
}

/// A number in quotes is an error, as the documents say.
fn whole(body: &Value, name: &str, allowed: &[u64]) -> Result<(), Refusal> {
    match field(body, name) {
        Some(value) if !value.as_u64().is_some_and(|number| allowed.contains(&number)) => {
            invalid(format!("{name} must be one of {allowed:?}"))
        }
        _ => Ok(()),
    }
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    invalid(format!("{name} \"{value}\" is not supported, use one of: {}", allowed.join(", ")))
}

fn invalid<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kind: Kind, body: &Value) -> Result<Order, Refusal> {
        ApiMart.decode(kind, &Place { base_url: "", path: "" }, body)
    }

    fn video(extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "model": "veo3.1-fast", "prompt": "a" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        decode(Kind::Video, &body)
    }

    #[test]
    fn documented_requests_are_read() {
        let order = video(&json!({ "duration": 8, "aspect_ratio": "9:16", "resolution": "4k",
            "image_urls": ["https://example.com/a.png"], "generation_type": "frame" }));
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("9:16"));
        let official = json!({ "model": "veo3.1-fast-official", "duration": 6, "resolution": "4K", "seed": 1,
            "first_frame_image": "https://example.com/a.png", "negative_prompt": "rain" });
        assert!(video(&official).is_ok());
        let three = json!(["https://e.com/1", "https://e.com/2", "https://e.com/3"]);
        assert!(video(&json!({ "image_urls": three, "generation_type": "reference" })).is_ok());
        let image = json!({ "model": "gpt-image-2", "prompt": "a", "size": "1024x1536", "resolution": "2k" });
        assert_eq!(decode(Kind::Image, &image).unwrap().size.as_deref(), Some("1024x1536"));
        let image = json!({ "model": "gemini-3-pro-image-preview", "prompt": "a", "size": "16:9", "n": 2 });
        assert_eq!(decode(Kind::Image, &image).unwrap().aspect_ratio.as_deref(), Some("16:9"));
    }

    #[test]
    fn what_apimart_does_not_take_is_refused() {
        assert!(video(&json!({})).is_ok());
        for wrong in [
            json!({ "model": "veo3.1" }),
            json!({ "prompt": "" }),
            json!({ "duration": "8" }),
            json!({ "duration": 5 }),
            json!({ "aspect_ratio": "4:3" }),
            json!({ "resolution": "4K" }),
            json!({ "model": "veo3.1-fast-official", "resolution": "4k" }),
            json!({ "image_urls": ["data:image/png;base64,AAAA"] }),
            json!({ "image_urls": ["https://e.com/1", "https://e.com/2", "https://e.com/3"] }),
            json!({ "model": "veo3.1-lite", "generation_type": "reference" }),
            json!({ "model": "veo3.1-fast-official", "image_urls": ["https://e.com/1"] }),
            json!({ "model": "veo3.1-fast-official", "last_frame_image": "https://e.com/1" }),
            json!({ "first_frame_image": "https://e.com/1" }),
        ] {
            assert!(matches!(video(&wrong), Err(Refusal::Invalid(_))), "{wrong}");
        }
        let image = json!({ "model": "gpt-image-2", "prompt": "a", "resolution": "2K" });
        assert!(decode(Kind::Image, &image).is_err());
        assert!(matches!(decode(Kind::Image, &json!("a")), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path| ApiMart.route(&method, path, "language=en");
        assert_eq!(route(Method::POST, "/v1/images/generations"), Some(Route::Submit(Kind::Image)));
        let poll = Route::Poll { id: "task_1".into(), kind: None };
        assert_eq!(route(Method::GET, "/v1/tasks/task_1"), Some(poll));
        for (method, path) in [
            (Method::POST, "/v1/audios/generations"),
            (Method::GET, "/v1/tasks/"),
            (Method::GET, "/v1/tasks/a/b"),
            (Method::DELETE, "/v1/tasks/a"),
        ] {
            assert_eq!(route(method.clone(), path), None, "{method} {path}");
        }
    }
}
