//! The Interactions part of Google's Gemini API as Google serves it, for clips. Rules from
//! <https://ai.google.dev/gemini-api/docs/omni>, `api-errors`, and the types of Google's Python client.
//!
//! Deliberately absent: answers that wait (`background: false`), clips in the answer (`delivery: inline`), streams, agents,
//! files, webhooks, deleting, and whether a previous interaction exists.

use std::borrow::Cow;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const INTERACTIONS: &str = "/v1beta/interactions";
const FILES: &str = "/v1beta/files/";
const DOWNLOAD: &str = ":download";

/// The models with the longest clips that they make, in seconds; the shortest have three.
const MODELS: &[(&str, f64)] = &[("gemini-omni-1.1-flash", 10.0), ("gemini-omni-1.2-flash", 15.0)];
const SECONDS_MIN: f64 = 3.0;
const FIELDS: &[&str] = &[
    "model",
    "input",
    "background",
    "generation_config",
    "labels",
    "previous_interaction_id",
    "response_format",
    "response_modalities",
    "safety_settings",
    "service_tier",
    "store",
    "system_instruction",
    "webhook_config",
];
const FORMAT_FIELDS: &[&str] = &["type", "aspect_ratio", "delivery", "duration", "gcs_uri", "resolution"];
const TASKS: &[&str] = &["text_to_video", "image_to_video", "reference_to_video", "edit", "extend"];
const IMAGES_MAX: usize = 10;
const VIDEOS_MAX: usize = 3;

pub(super) struct Interactions;

impl Api for Interactions {
    fn name(&self) -> &'static str {
        "interactions"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        if let Some(file) = path.strip_prefix(FILES) {
            let id = file.strip_suffix(DOWNLOAD).filter(|id| !id.contains('/') && query == "alt=media")?;
            return (method == Method::GET).then(|| Route::Content { id: decode_percent(id) });
        }
        let rest = path.strip_prefix(INTERACTIONS)?;
        if rest.is_empty() {
            return (method == Method::POST).then_some(Route::Submit(Kind::Video));
        }
        match (method, rest.strip_prefix('/')?.split_once('/')) {
            (&Method::GET, None) => {
                Some(Route::Poll { id: decode_percent(&rest[1..]), kind: Some(Kind::Video) })
            }
            (&Method::POST, Some((id, "cancel"))) => Some(Route::Cancel { id: decode_percent(id) }),
            _ => None,
        }
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers.get("x-goog-api-key")?.to_str().ok()
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        known_fields("", body, FIELDS)?;
        let name = text_field(body, "model")?.unwrap_or_default();
        let Some((_, seconds_max)) = MODELS.iter().find(|(model, _)| *model == name) else {
            return invalid(&format!("The model '{name}' was not found."));
        };
        if body.get("background") != Some(&Value::Bool(true)) {
            return invalid("'background' must be true for this model here.");
        }
        let input = Input::read(body)?;
        let aspect_ratio = check_format(body.get("response_format").unwrap_or(&json!({})), *seconds_max)?;
        check_config(body.get("generation_config").unwrap_or(&json!({})), &input)?;
        text_field(body, "previous_interaction_id")?;
        Ok(Order { kind, model: name.to_owned(), prompt: input.prompt, aspect_ratio, size: None })
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        said(json!({ "id": id, "object": "interaction", "status": "in_progress" }))
    }

    fn encode_progress(&self, task: &Task, progress: Progress, _: &str, place: &Place<'_>) -> Answer {
        let mut body = json!({
            "id": task.id,
            "object": "interaction",
            "model": task.order.model,
            "steps": [{ "type": "user_input", "content": [{ "type": "text", "text": task.order.prompt }] }],
        });
        let mut output = |content: Value| {
            if let Some(steps) = body["steps"].as_array_mut() {
                steps.push(json!({ "type": "thought", "signature": "c2lnbmF0dXJl" }));
                steps.push(json!({ "type": "model_output", "content": [content] }));
            }
        };
        let status = match progress {
            Progress::Waiting => "queued",
            Progress::Running { .. } => "in_progress",
            Progress::Succeeded => {
                let uri = format!("{}{FILES}{}{DOWNLOAD}?alt=media", place.base_url, task.id);
                output(json!({ "type": "video", "mime_type": "video/mp4", "uri": uri }));
                "completed"
            }
            // It says so in words, and is done.
            Progress::Refused => {
                let text = "I cannot make this video, because it would go against our policies.";
                output(json!({ "type": "text", "text": text }));
                "completed"
            }
            Progress::Failed => "failed",
        };
        body["status"] = status.into();
        if progress == Progress::Failed {
            body["errors"] = json!([{ "code": "internal", "message": "An internal error has occurred." }]);
        }
        said(body)
    }

    fn encode_cancel(&self, task: &Task, in_time: bool, place: &Place<'_>) -> Answer {
        if in_time {
            return self.encode_stopped(task, place);
        }
        error(StatusCode::BAD_REQUEST, "invalid_request", "Interaction is already completed.")
    }

    fn encode_stopped(&self, task: &Task, _: &Place<'_>) -> Answer {
        said(json!({
            "id": task.id, "object": "interaction", "model": task.order.model, "status": "cancelled", "steps": [],
        }))
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        match refusal {
            Refusal::Unauthorized => {
                error(StatusCode::UNAUTHORIZED, "authentication", "The API key is missing or invalid.")
            }
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                error(StatusCode::BAD_REQUEST, "invalid_request", text)
            }
            // Not 404: so it was seen in the field.
            Refusal::UnknownTask => {
                error(StatusCode::BAD_REQUEST, "invalid_request", "Invalid interaction name.")
            }
            Refusal::TooMany => {
                error(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "Too many requests a minute.")
            }
            Refusal::Broken => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "An internal error has occurred.")
            }
        }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("v1_{random}")
    }
}

/// What a submit brings.
struct Input {
    prompt: String,
    images: usize,
}

impl Input {
    fn read(body: &Value) -> Result<Self, Refusal> {
        let blocks: Cow<'_, [Value]> = match body.get("input") {
            Some(Value::String(text)) => vec![json!({ "type": "text", "text": text })].into(),
            Some(Value::Array(blocks)) => blocks.into(),
            _ => return invalid("'input' must be a string or an array."),
        };
        let mut texts = Vec::new();
        for block in blocks.iter().filter(|block| block["type"] == "text") {
            texts.extend(text_field(block, "text")?);
        }
        let count = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).count();
        let (images, videos) = (count("image"), count("video"));
        if images + videos + count("text") < blocks.len() {
            return invalid("The type of a block of 'input' is not supported.");
        }
        if texts.is_empty() {
            return invalid("'input' must have text.");
        }
        if images > IMAGES_MAX || videos > VIDEOS_MAX {
            return invalid("'input' has too many images or videos.");
        }
        for block in blocks.iter() {
            check_media(block)?;
        }
        let prompt = texts.join("\n");
        if prompt.contains("<LAST_FRAME>") && (!prompt.contains("<FIRST_FRAME>") || images < 2) {
            return invalid("<LAST_FRAME> must be used with <FIRST_FRAME>, each with an image.");
        }
        Ok(Self { prompt, images })
    }
}

/// Images by bytes or address, videos by bytes.
fn check_media(block: &Value) -> Result<(), Refusal> {
    let kind = block["type"].as_str().unwrap_or_default();
    if kind == "text" {
        return known_fields("input", block, &["type", "text"]);
    }
    known_fields("input", block, &["type", "data", "uri", "mime_type", "resolution"])?;
    match (text_field(block, "data")?, text_field(block, "uri")?) {
        (Some(data), None) => {
            let mime_type = text_field(block, "mime_type")?.unwrap_or_default();
            if !mime_type.starts_with(&format!("{kind}/")) {
                return invalid(&format!("'mime_type' must be that of {kind} content."));
            }
            if !is_base64(data) {
                return invalid("'data' is not valid base64.");
            }
            Ok(())
        }
        (None, Some(uri)) if kind == "image" && uri.starts_with("https://") => Ok(()),
        (None, Some(_)) => invalid(&format!("The 'uri' of a {kind} is not supported.")),
        _ => invalid("Media must have one of 'data' and 'uri'."),
    }
}

fn is_base64(text: &str) -> bool {
    let symbols = text.trim_end_matches('=');
    let is_symbol = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    !symbols.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - symbols.len() <= 2
        && symbols.bytes().all(is_symbol)
}

/// The ratio of a clip's format, if that is one.
fn check_format(format: &Value, seconds_max: f64) -> Result<Option<String>, Refusal> {
    known_fields("response_format", format, FORMAT_FIELDS)?;
    one_of(format, "type", &["video"])?;
    one_of(format, "resolution", &["360p", "720p", "1080p", "4k"])?;
    if one_of(format, "delivery", &["inline", "uri"])? != Some("uri") {
        return invalid("'delivery' must be uri here.");
    }
    if let Some(duration) = text_field(format, "duration")? {
        let seconds = duration.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
        if !seconds.is_some_and(|seconds| (SECONDS_MIN..=seconds_max).contains(&seconds)) {
            return invalid(&format!("'duration' must be {SECONDS_MIN}s to {seconds_max}s."));
        }
    }
    Ok(one_of(format, "aspect_ratio", &["16:9", "9:16"])?.map(str::to_owned))
}

fn check_config(config: &Value, input: &Input) -> Result<(), Refusal> {
    if !config.is_object() {
        return invalid("'generation_config' must be an object.");
    }
    if field(config, "seed").is_some_and(|seed| seed.as_i64().is_none_or(|seed| i32::try_from(seed).is_err()))
    {
        return invalid("'seed' must be an integer of 32 bits.");
    }
    let video = config.get("video_config").cloned().unwrap_or_else(|| json!({}));
    known_fields("video_config", &video, &["task"])?;
    match one_of(&video, "task", TASKS)? {
        Some(task @ ("image_to_video" | "reference_to_video")) if input.images == 0 => {
            invalid(&format!("The task {task} needs an image."))
        }
        Some("text_to_video") if input.images > 0 => invalid("The task text_to_video takes no image."),
        _ => Ok(()),
    }
}

/// Whether `object` is one, and has no other fields.
fn known_fields(name: &str, object: &Value, known: &[&str]) -> Result<(), Refusal> {
    let Some(fields) = object.as_object() else {
        return Err(Refusal::Malformed(format!("An object is expected at '{name}'.")));
    };
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => invalid(&format!("Unknown parameter '{key}' at '{name}'.")),
        None => Ok(()),
    }
}

fn one_of<'a>(object: &'a Value, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match text_field(object, name)? {
        Some(value) if !allowed.contains(&value) => {
            invalid(&format!("The value '{value}' is not supported for '{name}'."))
        }
        value => Ok(value),
    }
}

fn said(body: Value) -> Answer {
    Answer { status: StatusCode::OK, body }
}

fn error(status: StatusCode, code: &str, text: &str) -> Answer {
    Answer { status, body: json!({ "error": { "message": text, "code": code } }) }
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({
            "model": "gemini-omni-1.1-flash", "input": "a cat", "background": true,
            "response_format": { "type": "video", "delivery": "uri" },
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Interactions.decode(Kind::Video, &Place { base_url: "", path: "" }, &body)
    }

    fn format(extra: &Value) -> Value {
        let mut format = json!({ "type": "video", "delivery": "uri" });
        format.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({ "response_format": format })
    }

    #[test]
    fn documented_requests_are_read() {
        let image = json!({ "type": "image", "mime_type": "image/png", "data": "iVBORw==" });
        let text = json!({ "type": "text", "text": "<FIRST_FRAME> <LAST_FRAME> a cat" });
        let order = decode(&json!({
            "input": [image, image, text],
            "generation_config": { "seed": 7, "video_config": { "task": "image_to_video" } },
        }));
        assert_eq!(order.unwrap().prompt, "<FIRST_FRAME> <LAST_FRAME> a cat");
        let order =
            decode(&format(&json!({ "aspect_ratio": "9:16", "duration": "3.5s", "resolution": "4k" })));
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("9:16"));
        let newer = json!({ "model": "gemini-omni-1.2-flash" });
        let mut longer = format(&json!({ "duration": "15s" }));
        longer.as_object_mut().unwrap().extend(newer.as_object().unwrap().clone());
        assert!(decode(&longer).is_ok());
    }

    #[test]
    fn what_google_does_not_take_is_refused() {
        let text = json!({ "type": "text", "text": "a cat" });
        let with = |block: Value| json!({ "input": [block, text] });
        for extra in [
            json!({ "model": "veo-3.1" }),
            json!({ "background": false }),
            json!({ "input": "" }),
            json!({ "input": 7 }),
            json!({ "temperature": 1 }),
            json!({ "generation_config": { "seed": "7" } }),
            json!({ "generation_config": { "video_config": { "task": "dream" } } }),
            json!({ "generation_config": { "video_config": { "task": "image_to_video" } } }),
            format(&json!({ "delivery": "inline" })),
            format(&json!({ "duration": 8 })),
            format(&json!({ "duration": "12s" })),
            format(&json!({ "resolution": "480p" })),
            format(&json!({ "aspect_ratio": "1:1" })),
            with(json!({ "type": "image", "data": "iVBORw==" })),
            with(json!({ "type": "image", "mime_type": "image/png", "data": "" })),
            with(json!({ "type": "image", "mime_type": "image/png", "data": "iVBORw=" })),
            with(json!({ "type": "video", "uri": "https://example.com/a.mp4" })),
            with(json!({ "type": "audio", "mime_type": "audio/mpeg", "data": "iVBORw==" })),
            json!({ "input": "<LAST_FRAME> a cat" }),
        ] {
            assert!(matches!(decode(&extra), Err(Refusal::Invalid(_))), "{extra}");
        }
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path, query| Interactions.route(&method, path, query);
        assert_eq!(route(Method::POST, INTERACTIONS, ""), Some(Route::Submit(Kind::Video)));
        let poll = Route::Poll { id: "v1_1".into(), kind: Some(Kind::Video) };
        assert_eq!(route(Method::GET, "/v1beta/interactions/v1_1", "stream=false"), Some(poll));
        let cancel = Route::Cancel { id: "v1_1".into() };
        assert_eq!(route(Method::POST, "/v1beta/interactions/v1_1/cancel", ""), Some(cancel));
        let content = Route::Content { id: "v1_1".into() };
        assert_eq!(route(Method::GET, "/v1beta/files/v1_1:download", "alt=media"), Some(content));
        for (method, path, query) in [
            (Method::GET, INTERACTIONS, ""),
            (Method::GET, "/v1beta/files/v1_1:download", ""),
            (Method::GET, "/v1beta/files/v1_1", "alt=media"),
            (Method::POST, "/v1beta/interactions/v1_1", ""),
        ] {
            assert_eq!(route(method.clone(), path, query), None, "{method} {path}");
        }
    }
}
