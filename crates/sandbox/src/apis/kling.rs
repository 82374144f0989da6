//! Kling's own API as Kling serves it: three paths for clips from words, from frames and from references, and a `code`
//! beside the HTTP status. Rules from <https://app.klingai.com/global/dev/document-api> (common information, text to
//! video, image to video, multi-image to video, the capability map).
//!
//! A task is found by the caller's own name for it, too, which no two may have. Deliberately absent: the check of signed tokens
//! (any token is a key), lists, marked clips, Kling's other tasks, callbacks before the end.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const PATH: &str = "/v1/videos/";
const FROM_WORDS: &str = "text2video";
const FROM_FRAMES: &str = "image2video";
const FROM_REFERENCES: &str = "multi-image2video";

const TEXT_CHARS_MAX: usize = 2500;
const REFERENCES_MAX: usize = 4;
const ASPECT_RATIOS: &[&str] = &["16:9", "9:16", "1:1"];

/// Fields of all three paths.
const FIELDS: &[&str] = &[
    "model_name",
    "prompt",
    "negative_prompt",
    "mode",
    "duration",
    "watermark_info",
    "callback_url",
    "external_task_id",
];
/// The fields of each path besides.
const MORE_FIELDS: &[(&str, &[&str])] = &[
    (FROM_WORDS, &["aspect_ratio", "sound", "cfg_scale", "camera_control"]),
    (FROM_FRAMES, &["image", "image_tail", "sound", "cfg_scale", "camera_control", "voice_list"]),
    (FROM_REFERENCES, &["image_list", "aspect_ratio"]),
];

/// What the capability map says of a model: its paths, its modes, those in which a clip may have a last frame, and those
/// in which it may have sound.
struct Rules {
    model: &'static str,
    paths: &'static [&'static str],
    modes: &'static [&'static str],
    last_frame: &'static [&'static str],
    sound: &'static [&'static str],
}

const RULES: &[Rules] = &[
    Rules {
        model: "kling-v1",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &["std", "pro"],
        last_frame: &["std", "pro"],
        sound: &[],
    },
    Rules {
        model: "kling-v1-5",
        paths: &[FROM_FRAMES],
        modes: &["std", "pro"],
        last_frame: &["pro"],
        sound: &[],
    },
    Rules {
        model: "kling-v1-6",
        paths: &[FROM_WORDS, FROM_FRAMES, FROM_REFERENCES],
        modes: &["std", "pro"],
        last_frame: &["pro"],
        sound: &[],
    },
    Rules {
        model: "kling-v2-master",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &[],
        last_frame: &[],
        sound: &[],
    },
    Rules {
        model: "kling-v2-1",
        paths: &[FROM_FRAMES],
        modes: &["std", "pro"],
        last_frame: &["pro"],
        sound: &[],
    },
    Rules {
        model: "kling-v2-1-master",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &[],
        last_frame: &[],
        sound: &[],
    },
    Rules {
        model: "kling-v2-5-turbo",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &["std", "pro"],
        last_frame: &["pro"],
        sound: &[],
    },
    Rules {
        model: "kling-v2-6",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &["std", "pro"],
        last_frame: &["pro"],
        sound: &["pro"],
    },
    Rules {
        model: "kling-v3",
        paths: &[FROM_WORDS, FROM_FRAMES],
        modes: &["std", "pro", "4k"],
        last_frame: &["std", "pro", "4k"],
        sound: &["std", "pro", "4k"],
    },
];

pub(super) struct Kling;

impl Api for Kling {
    fn name(&self) -> &'static str {
        "kling"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let rest = path.strip_prefix(PATH)?;
        let (way, id) = rest.split_once('/').map_or((rest, None), |(way, id)| (way, Some(id)));
        MORE_FIELDS.iter().find(|(known, _)| *known == way)?;
        match (method, id) {
            (&Method::POST, None) => Some(Route::Submit(Kind::Video)),
            (&Method::GET, Some(id)) if !id.is_empty() && !id.contains('/') => {
                Some(Route::Poll { id: decode_percent(id), kind: Some(Kind::Video) })
            }
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        let way = way_of(place);
        let fields = body.as_object().ok_or_else(|| Refusal::Malformed("the body is no object".into()))?;
        let more = MORE_FIELDS.iter().find(|(known, _)| *known == way).map_or(&[][..], |(_, more)| more);
        if let Some(name) = fields.keys().find(|name| ![FIELDS, more].concat().contains(&name.as_str())) {
            return invalid(format!("{name} is not a parameter of {way}"));
        }
        let model = text_field(body, "model_name")?.unwrap_or("kling-v1");
        let rules = RULES.iter().find(|rules| rules.model == model && rules.paths.contains(&way));
        let Some(rules) = rules else {
            return invalid(format!("model_name {model} is not supported by {way}"));
        };
        let prompt = text_within(body, "prompt")?.unwrap_or_default();
        if prompt.trim().is_empty() && way != FROM_FRAMES {
            return invalid("prompt can not be empty");
        }
        text_within(body, "negative_prompt")?;
        let ratio = one_of(body, "aspect_ratio", ASPECT_RATIOS)?;
        check_mode(body, rules)?;
        check_images(body, way)?;
        check_extras(body, rules)?;
        Ok(Order {
            kind,
            // A task is found on its own path alone, so that is kept, too.
            model: format!("{way}/{model}"),
            prompt: prompt.to_owned(),
            aspect_ratio: ratio.map(str::to_owned),
            size: None,
        })
    }

    fn own_name(&self, _: &HeaderMap, body: &Value) -> Result<Option<String>, Refusal> {
        Ok(text_field(body, "external_task_id")?.map(str::to_owned))
    }

    fn finds_by_own_name(&self) -> bool {
        true
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "callback_url")?.as_str().map(str::to_owned)
    }

    /// The task alone, without the envelope.
    fn encode_told(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Value {
        self.encode_progress(task, progress, media_url, place).body["data"].take()
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        succeeded(json!({ "task_id": id, "task_status": "submitted", "task_info": {} }))
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        if task.order.model.split('/').next() != Some(way_of(place)) {
            return self.encode_refusal(&Refusal::UnknownTask);
        }
        let (status, text) = match progress {
            Progress::Waiting => ("submitted", ""),
            Progress::Running { .. } => ("processing", ""),
            Progress::Succeeded => ("succeed", ""),
            Progress::Failed => ("failed", "Server internal error"),
            Progress::Refused => ("failed", "Failure to pass the risk control system"),
        };
        let mut data = json!({
            "task_id": task.id,
            "task_status": status,
            "task_status_msg": text,
            "task_info": task.own_name.as_ref().map_or(json!({}), |name| json!({ "external_task_id": name.text })),
            "created_at": task.accepted_at_ms,
            "updated_at": task.started_at_ms(),
        });
        if progress == Progress::Succeeded {
            data["updated_at"] = task.finished_at_ms().into();
            data["final_unit_deduction"] = "1".into();
            let video = json!({ "id": task.id, "url": media_url, "duration": "5.1" });
            data["task_result"] = json!({ "videos": [video] });
        }
        succeeded(data)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, code, text) = match refusal {
            Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, 1002, "Authorization is invalid"),
            Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, 1200, text.as_str()),
            Refusal::Invalid(text) => (StatusCode::BAD_REQUEST, 1201, text.as_str()),
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, 1203, "The task does not exist"),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, 1302, "API requests are too fast"),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, 5000, "Server internal error"),
        };
        let body = json!({ "code": code, "message": text, "request_id": "sandbox" });
        Answer { status, body }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("Cj{}", &random[..20])
    }
}

/// `text2video` of `/v1/videos/text2video/Cj1`.
fn way_of<'a>(place: &Place<'a>) -> &'a str {
    place.path.strip_prefix(PATH).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

fn succeeded(data: Value) -> Answer {
    let body = json!({ "code": 0, "message": "SUCCEED", "request_id": "sandbox", "data": data });
    Answer { status: StatusCode::OK, body }
}

fn check_mode(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let model = rules.model;
    let given = text_field(body, "mode")?;
    if given.is_some_and(|mode| !rules.modes.contains(&mode)) {
        return invalid(format!("mode is not supported by {model}"));
    }
    let mode = given.unwrap_or("std");
    if field(body, "image_tail").is_some() && !rules.last_frame.contains(&mode) {
        return invalid(format!("image_tail is not supported by {model} in mode {mode}"));
    }
    let sound = one_of(body, "sound", &["on", "off"])?;
    if sound.is_some() && rules.sound.is_empty() {
        return invalid(format!("sound is not supported by {model}"));
    }
    if sound == Some("on") && !rules.sound.contains(&mode) {
        return invalid(format!("sound is not supported by {model} in mode {mode}"));
    }
    if sound == Some("on") && model == "kling-v2-6" && field(body, "image_tail").is_some() {
        return invalid("sound is not supported with image_tail");
    }
    let longest_s = if model == "kling-v3" { 3..=15 } else { 5..=10 };
    let seconds = text_field(body, "duration")?.unwrap_or("5").parse::<u32>().ok();
    match seconds.filter(|s| longest_s.contains(s) && (model == "kling-v3" || s % 5 == 0)) {
        Some(_) => Ok(()),
        None => invalid("duration value is invalid"),
    }
}

fn check_images(body: &Value, way: &str) -> Result<(), Refusal> {
    if way == FROM_FRAMES && field(body, "image").is_none() {
        return invalid("image can not be empty");
    }
    for name in ["image", "image_tail"] {
        check_image(text_field(body, name)?, name)?;
    }
    if way != FROM_REFERENCES {
        return Ok(());
    }
    let images = field(body, "image_list").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !(1..=REFERENCES_MAX).contains(&images.len()) {
        return invalid("image_list must hold 1 to 4 images");
    }
    for image in images {
        match text_field(image, "image")? {
            None => return invalid("image_list must hold objects with an image"),
            image => check_image(image, "image_list")?,
        }
    }
    Ok(())
}

/// A web address, or base64 without what browsers put before it.
fn check_image(image: Option<&str>, name: &str) -> Result<(), Refusal> {
    let Some(image) = image else { return Ok(()) };
    let is_web = ["http://", "https://"].iter().any(|start| image.starts_with(start));
    let is_base64 =
        image.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    if is_web || is_base64 { Ok(()) } else { invalid(format!("{name} must be a URL or base64")) }
}

fn check_extras(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    if let Some(scale) = field(body, "cfg_scale") {
        let within = scale.as_f64().is_some_and(|scale| (0.0..=1.0).contains(&scale));
        if !within || !rules.model.starts_with("kling-v1") {
            return invalid("cfg_scale value is invalid");
        }
    }
    if let Some(watermark) = field(body, "watermark_info")
        && !watermark.get("enabled").is_some_and(Value::is_boolean)
    {
        return invalid("watermark_info must hold enabled");
    }
    text_field(body, "callback_url")?;
    text_field(body, "external_task_id").map(|_| ())
}

fn text_within<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, Refusal> {
    let text = text_field(body, name)?;
    if text.is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
        return invalid(format!("{name} must not exceed {TEXT_CHARS_MAX} characters"));
    }
    Ok(text)
}

fn one_of<'a>(body: &'a Value, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match text_field(body, name)? {
        Some(value) if !allowed.contains(&value) => invalid(format!("{name} value '{value}' is invalid")),
        value => Ok(value),
    }
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(way: &str, body: &Value) -> Result<Order, Refusal> {
        Kling.decode(Kind::Video, &Place { base_url: "", path: &format!("{PATH}{way}") }, body)
    }

    #[test]
    fn documented_requests_are_read() {
        let url = "https://example.com/a.png";
        let order = decode(
            FROM_WORDS,
            &json!({
                "model_name": "kling-v2-6", "prompt": "a cat", "negative_prompt": "rain", "mode": "pro", "sound": "on",
                "aspect_ratio": "9:16", "duration": "10", "watermark_info": { "enabled": false },
                "callback_url": "https://example.com/c", "external_task_id": "mine"
            }),
        );
        let order = order.unwrap();
        assert_eq!(
            (order.model.as_str(), order.aspect_ratio.as_deref()),
            ("text2video/kling-v2-6", Some("9:16"))
        );
        for (way, body) in [
            (FROM_WORDS, json!({ "prompt": "a cat", "cfg_scale": 0.5 })),
            (FROM_WORDS, json!({ "model_name": "kling-v2-master", "prompt": "a cat" })),
            (
                FROM_WORDS,
                json!({ "model_name": "kling-v3", "prompt": "a cat", "mode": "4k", "duration": "15" }),
            ),
            (FROM_FRAMES, json!({ "model_name": "kling-v2-1", "image": url })),
            (
                FROM_FRAMES,
                json!({ "model_name": "kling-v2-5-turbo", "image": "iVBORw0KGgo=", "image_tail": url, "mode": "pro" }),
            ),
            (
                FROM_REFERENCES,
                json!({ "model_name": "kling-v1-6", "prompt": "a", "image_list": [{ "image": url }] }),
            ),
        ] {
            assert!(decode(way, &body).is_ok(), "{way} {body}");
        }
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let url = "https://example.com/a.png";
        for (way, body) in [
            (FROM_WORDS, json!({ "prompt": " " })),
            (FROM_WORDS, json!({ "prompt": "x".repeat(2501) })),
            (FROM_WORDS, json!({ "prompt": "a", "model": "kling-v2-6" })),
            (FROM_WORDS, json!({ "prompt": "a", "model_name": "kling-v2-1" })),
            (FROM_WORDS, json!({ "prompt": "a", "model_name": "kling-v9" })),
            (FROM_WORDS, json!({ "prompt": "a", "image": url })),
            (FROM_WORDS, json!({ "prompt": "a", "duration": 5 })),
            (FROM_WORDS, json!({ "prompt": "a", "duration": "8" })),
            (FROM_WORDS, json!({ "prompt": "a", "mode": "4k" })),
            (FROM_WORDS, json!({ "prompt": "a", "aspect_ratio": "21:9" })),
            (FROM_WORDS, json!({ "prompt": "a", "sound": "off" })),
            (FROM_WORDS, json!({ "prompt": "a", "model_name": "kling-v2-6", "sound": "on" })),
            (FROM_WORDS, json!({ "prompt": "a", "model_name": "kling-v2-6", "cfg_scale": 0.5 })),
            (FROM_WORDS, json!({ "prompt": "a", "model_name": "kling-v2-master", "mode": "std" })),
            (FROM_WORDS, json!({ "prompt": "a", "watermark_info": true })),
            (FROM_FRAMES, json!({ "prompt": "a" })),
            (FROM_FRAMES, json!({ "image": "data:image/png;base64,AAAA" })),
            (FROM_FRAMES, json!({ "image": url, "aspect_ratio": "16:9" })),
            (FROM_FRAMES, json!({ "model_name": "kling-v2-1", "image": url, "image_tail": url })),
            (FROM_REFERENCES, json!({ "model_name": "kling-v1-6", "prompt": "a" })),
            (FROM_REFERENCES, json!({ "model_name": "kling-v1-6", "prompt": "a", "image_list": [url] })),
            (
                FROM_REFERENCES,
                json!({ "model_name": "kling-v1-6", "prompt": "a", "image_list": vec![json!({ "image": url }); 5] }),
            ),
        ] {
            assert!(matches!(decode(way, &body), Err(Refusal::Invalid(_))), "{way} {body}");
        }
        assert!(matches!(decode(FROM_WORDS, &json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path| Kling.route(&method, path, "");
        assert_eq!(route(Method::POST, "/v1/videos/text2video"), Some(Route::Submit(Kind::Video)));
        let poll = Route::Poll { id: "Cj/1".into(), kind: Some(Kind::Video) };
        assert_eq!(route(Method::GET, "/v1/videos/multi-image2video/Cj%2F1"), Some(poll));
        for (method, path) in [
            (Method::GET, "/v1/videos/text2video"),
            (Method::GET, "/v1/videos/text2video/"),
            (Method::POST, "/v1/videos"),
            (Method::POST, "/v1/videos/lip-sync"),
            (Method::GET, "/v1/videos/video_1"),
        ] {
            assert_eq!(route(method.clone(), path), None, "{method} {path}");
        }
    }
}
