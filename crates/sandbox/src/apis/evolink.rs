//! EvoLink as it serves its API: a submit and a poll are answered with the same object, refusals with an HTTP status.
//! Rules from the pages of <https://docs.evolink.ai/en/api-manual> on veo3.1, nano-banana, task detail and error codes.
//!
//! Deliberately absent: callbacks; `created` and `model` in the answer to a submit.

mod files;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const VIDEO_MODELS: &[&str] = &["veo3.1-fast", "veo3.1-pro", "seedance-1.5-pro", "wan2.6-reference-video"];
const IMAGE_MODELS: &[&str] = &[
    "gemini-2.5-flash-image",
    "gemini-3.1-flash-image-preview",
    "gemini-3-pro-image-preview",
    "gpt-image-1",
    "gpt-image-2",
];
const AUDIO_MODELS: &[&str] = &["suno-v4", "suno-v4.5", "suno-v5"];

const VIDEO_RATIOS: &[&str] = &["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive"];
const VIDEO_QUALITIES: &[&str] = &["480p", "720p", "1080p", "4k"];
const IMAGE_SIZES: &[&str] =
    &["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
const IMAGE_QUALITIES: &[&str] = &["0.5K", "1K", "2K", "4K"];
const GPT_QUALITIES: &[&str] = &["auto", "low", "medium", "high"];
const CALLBACK_CHARS_MAX: usize = 2048;

pub(super) struct EvoLink;

impl Api for EvoLink {
    fn name(&self) -> &'static str {
        "evolink"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        if let Some(id) = path.strip_prefix("/v1/tasks/") {
            let poll = Route::Poll { id: decode_percent(id), kind: None };
            return (method == Method::GET && !id.is_empty() && !id.contains('/')).then_some(poll);
        }
        match kind_of(path) {
            _ if method != Method::POST => None,
            Some(kind) => Some(Route::Submit(kind)),
            None => path.starts_with(files::PATHS).then_some(Route::Upload),
        }
    }

    fn take_file(&self, place: &Place<'_>, body: &Value, url: &str) -> Result<Answer, Refusal> {
        files::take(place.path, body, url)
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("The request body must be a JSON object".into()));
        }
        let model = text_field(body, "model")?.ok_or_else(|| Refusal::Invalid("model is required".into()))?;
        let prompt = text_field(body, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Refusal::Invalid("prompt is required".into()))?;
        check_callback(body)?;
        match kind {
            Kind::Video => check_video(body, model, prompt)?,
            Kind::Image => check_image(body, model)?,
            Kind::Audio => check_audio(body, model)?,
        }
        let (ratio, size) = match (kind, text_field(body, "size")?) {
            (Kind::Image, Some(size)) if size.contains(':') => (Some(size), None),
            (Kind::Image, size) => (None, size),
            _ => (text_field(body, "aspect_ratio")?, None),
        };
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: ratio.map(str::to_owned),
            size: size.map(str::to_owned),
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "callback_url")?.as_str().map(str::to_owned)
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        let word = word(kind_of(place.path).unwrap_or(Kind::Video));
        let body = json!({
            "id": id,
            "object": format!("{word}.generation.task"),
            "progress": 0,
            "status": "pending",
            "task_info": { "can_cancel": true, "estimated_time": 180 },
            "type": word,
            "usage": { "billing_rule": "per_call", "credits_reserved": 25.7, "user_group": "default" },
        });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let (status, percent) = match progress {
            Progress::Waiting => ("pending", 0),
            Progress::Running { percent } => ("processing", percent),
            Progress::Succeeded => ("completed", 100),
            Progress::Failed | Progress::Refused => ("failed", 0),
        };
        let word = word(task.order.kind);
        let mut body = json!({
            "created": task.accepted_at_ms / 1000,
            "id": task.id,
            "model": task.order.model,
            "object": format!("{word}.generation.task"),
            "progress": percent,
            "status": status,
            "task_info": { "can_cancel": progress == Progress::Waiting },
            "type": word,
        });
        match progress {
            Progress::Waiting | Progress::Running { .. } => {}
            Progress::Succeeded => {
                body["results"] = json!([media_url]);
                if task.order.kind == Kind::Audio {
                    body["result_data"] = json!([{ "result_id": "1", "audio_url": media_url }]);
                }
            }
            Progress::Failed => {
                body["error"] = json!({ "code": "service_error", "message": "Internal service error." });
            }
            Progress::Refused => {
                let text = "Content policy violation.\nYour request was blocked by safety filters.";
                body["error"] = json!({ "code": "content_policy_violation", "message": text });
            }
        }
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, r#type, text) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "authentication_error", "Invalid or expired token")
            }
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                (StatusCode::BAD_REQUEST, "invalid_request_error", text.as_str())
            }
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, "not_found_error", "Task not found"),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "Rate limit exceeded"),
            Refusal::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", "Internal server error")
            }
        };
        let error = json!({ "code": status.as_u16(), "message": text, "type": r#type });
        Answer { status, body: json!({ "error": error }) }
    }

    /// The documents have a time in the middle.
    fn encode_id(&self, _: Kind, random: &str) -> String {
        let (middle, end) = random.split_at(16);
        format!("task-unified-{middle}-{end}")
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    match path {
        "/v1/videos/generations" => Some(Kind::Video),
        "/v1/images/generations" => Some(Kind::Image),
        "/v1/audios/generations" => Some(Kind::Audio),
        _ => None,
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Video => "video",
        Kind::Image => "image",
        Kind::Audio => "audio",
    }
}

fn check_video(body: &Value, model: &str, prompt: &str) -> Result<(), Refusal> {
    one_of("model", model, VIDEO_MODELS)?;
    let is_veo = model.starts_with("veo3.1");
    let prompt_chars_max = match model {
        "veo3.1-fast" => 1000,
        "veo3.1-pro" => 2000,
        _ => 5000,
    };
    if prompt.chars().count() > prompt_chars_max {
        return invalid(format!("prompt may have {prompt_chars_max} characters"));
    }
    let ratios = match model {
        "veo3.1-fast" => &["16:9", "9:16"],
        "veo3.1-pro" => &["auto", "16:9", "9:16"][..],
        _ => VIDEO_RATIOS,
    };
    one_of("aspect_ratio", text_field(body, "aspect_ratio")?.unwrap_or("16:9"), ratios)?;
    one_of("quality", text_field(body, "quality")?.unwrap_or("720p"), VIDEO_QUALITIES)?;
    check_urls(body, "image_urls", if is_veo { 2 } else { 9 })?;
    check_urls(body, "video_urls", if is_veo { 0 } else { 3 })?;
    whole(body, "duration", 3..=15)?;
    switches(body, &["generate_audio"])
}

fn check_image(body: &Value, model: &str) -> Result<(), Refusal> {
    one_of("model", model, IMAGE_MODELS)?;
    let is_gpt = model.starts_with("gpt-image");
    if let Some(size) = text_field(body, "size")?.filter(|size| !(is_gpt && is_pixels(size))) {
        one_of("size", size, IMAGE_SIZES)?;
    }
    if let Some(quality) = text_field(body, "quality")? {
        one_of("quality", quality, if is_gpt { GPT_QUALITIES } else { IMAGE_QUALITIES })?;
    }
    if let Some(resolution) = text_field(body, "resolution")? {
        one_of("resolution", resolution, if is_gpt { &["1K", "2K", "4K"] } else { &[] })?;
    }
    check_urls(body, "image_urls", 14)?;
    whole(body, "n", 1..=10)
}

fn check_audio(body: &Value, model: &str) -> Result<(), Refusal> {
    one_of("model", model, AUDIO_MODELS)?;
    whole(body, "duration", 30..=240)?;
    switches(body, &["custom_mode", "instrumental"])
}

fn check_urls(body: &Value, name: &str, count_max: usize) -> Result<(), Refusal> {
    let urls = match field(body, name) {
        None => &[],
        Some(Value::Array(urls)) => urls.as_slice(),
        Some(_) => return invalid(format!("{name} must be an array")),
    };
    if !urls.iter().all(|url| url.as_str().is_some_and(|url| has_scheme(url, &["http", "https"]))) {
        return invalid(format!("{name} must be http or https URLs"));
    }
    if urls.len() > count_max {
        return invalid(format!("{name} may hold {count_max} URLs for this model"));
    }
    Ok(())
}

fn check_callback(body: &Value) -> Result<(), Refusal> {
    match text_field(body, "callback_url")? {
        Some(url) if !has_scheme(url, &["https"]) || url.len() > CALLBACK_CHARS_MAX => {
            invalid("callback_url must be an https URL of at most 2048 characters".into())
        }
        _ => Ok(()),
    }
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| {
        uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)) && uri.host().is_some()
    })
}

/// `1024x1536`.
fn is_pixels(size: &str) -> bool {
    let sides = size.split_once('x');
    sides.is_some_and(|(width, height)| width.parse::<u32>().is_ok() && height.parse::<u32>().is_ok())
}

fn whole(body: &Value, name: &str, allowed: std::ops::RangeInclusive<u64>) -> Result<(), Refusal> {
    match field(body, name) {
        Some(value) if !value.as_u64().is_some_and(|number| allowed.contains(&number)) => {
            invalid(format!("{name} must be an integer from {} to {}", allowed.start(), allowed.end()))
        }
        _ => Ok(()),
    }
}

fn switches(body: &Value, names: &[&str]) -> Result<(), Refusal> {
    match names.iter().find(|name| field(body, name).is_some_and(|value| !value.is_boolean())) {
        Some(name) => invalid(format!("{name} must be a boolean")),
        None => Ok(()),
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
        EvoLink.decode(kind, &Place { base_url: "", path: "" }, body)
    }

    #[test]
    fn documented_requests_are_read() {
        let order = decode(
            Kind::Video,
            &json!({ "model": "veo3.1-fast", "prompt": "A cat playing piano", "aspect_ratio": "9:16",
                "image_urls": ["http://example.com/image1.jpg"], "quality": "1080p", "duration": 8,
                "callback_url": "https://your-domain.example/webhooks" }),
        );
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("9:16"));
        let image = json!({ "model": "gemini-2.5-flash-image", "prompt": "a", "size": "16:9", "n": 2 });
        let order = decode(Kind::Image, &image).unwrap();
        assert_eq!((order.aspect_ratio.as_deref(), order.size), (Some("16:9"), None));
        let image = json!({ "model": "gpt-image-2", "prompt": "a", "size": "1024x1536", "quality": "high",
            "resolution": "2K" });
        assert_eq!(decode(Kind::Image, &image).unwrap().size.as_deref(), Some("1024x1536"));
        assert!(decode(Kind::Audio, &json!({ "model": "suno-v4", "prompt": "a", "duration": 60 })).is_ok());
    }

    #[test]
    fn what_evolink_does_not_take_is_refused() {
        let with = |extra: Value| {
            let mut body = json!({ "model": "veo3.1-fast", "prompt": "a" });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            decode(Kind::Video, &body)
        };
        assert!(with(json!({})).is_ok());
        for wrong in [
            json!({ "model": "veo9" }),
            json!({ "model": "" }),
            json!({ "prompt": " " }),
            json!({ "prompt": "a".repeat(1001) }),
            json!({ "aspect_ratio": "4:3" }),
            json!({ "aspect_ratio": "auto" }),
            json!({ "quality": "8k" }),
            json!({ "duration": "8" }),
            json!({ "generate_audio": "yes" }),
            json!({ "image_urls": "http://example.com/a.png" }),
            json!({ "image_urls": ["data:image/png;base64,AAAA"] }),
            json!({ "image_urls": ["http://e.com/1", "http://e.com/2", "http://e.com/3"] }),
            json!({ "video_urls": ["http://e.com/1"] }),
            json!({ "callback_url": "http://example.com/hook" }),
        ] {
            assert!(matches!(with(wrong.clone()), Err(Refusal::Invalid(_))), "{wrong}");
        }
        let image = json!({ "model": "gemini-2.5-flash-image", "prompt": "a", "quality": "high" });
        assert!(decode(Kind::Image, &image).is_err());
        assert!(matches!(decode(Kind::Video, &json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path| EvoLink.route(&method, path, "");
        assert_eq!(route(Method::POST, "/v1/audios/generations"), Some(Route::Submit(Kind::Audio)));
        let poll = Route::Poll { id: "task-unified-1:2".into(), kind: None };
        assert_eq!(route(Method::GET, "/v1/tasks/task-unified-1%3A2"), Some(poll));
        for (method, path) in [
            (Method::GET, "/v1/videos/generations"),
            (Method::POST, "/v1/tasks/x"),
            (Method::GET, "/v1/tasks/"),
            (Method::POST, "/v1/audio/generations"),
        ] {
            assert_eq!(route(method.clone(), path), None, "{method} {path}");
        }
    }
}
