//! Luma's Dream Machine as Luma serves it, for its Ray models. Rules from <https://docs.lumalabs.ai/docs/api> and the
//! types of Luma's Python client.
//!
//! Deliberately absent: pictures, sound, reframing, modifying, credits, callbacks before the end, deleting; that what is
//! enlarged must have been made before.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Answer, Api, Listed, Listing, Place, Refusal, Route, decode_percent, field, query_value, text_field,
};
use crate::moment;
use crate::task::{Kind, Order, Progress, Task};

const GENERATIONS: &str = "/dream-machine/v1/generations";
const UPSCALE: &str = "/upscale";
/// The model in the ledger of what makes more lines of a clip.
const UPSCALED: &str = "upscale";
/// Generations in a list at most, and in one that says nothing of it.
const PAGE_MAX: usize = 100;
const PAGE_USUAL: usize = 10;
const MODELS: &[&str] = &["ray-1-6", "ray-2", "ray-flash-2"];
const ASPECT_RATIOS: &[&str] = &["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"];
const RESOLUTIONS: &[&str] = &["540p", "720p", "1080p", "4k"];
const DURATIONS: &[&str] = &["5s", "9s"];
const FIELDS: &[&str] = &[
    "model",
    "prompt",
    "aspect_ratio",
    "callback_url",
    "concepts",
    "duration",
    "generation_type",
    "keyframes",
    "loop",
    "resolution",
];

pub(super) struct Luma;

impl Api for Luma {
    fn name(&self) -> &'static str {
        "luma"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let rest = path.strip_prefix(GENERATIONS)?;
        if method == Method::POST {
            let is_upscale = rest.strip_suffix(UPSCALE).is_some_and(|id| id.len() > 1);
            let is_submit = is_upscale || matches!(rest, "" | "/video");
            return is_submit.then_some(Route::Submit(Kind::Video));
        }
        if method == Method::GET && rest.is_empty() {
            return Some(Route::List(Kind::Video));
        }
        let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'))?;
        (method == Method::GET).then(|| Route::Poll { id: decode_percent(id), kind: None })
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        let Some(fields) = body.as_object() else {
            return Err(Refusal::Malformed("Input should be a valid dictionary".into()));
        };
        if let Some(key) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return invalid(&format!("{key}: Extra inputs are not permitted"));
        }
        one_of(body, "resolution", RESOLUTIONS)?;
        if place.path.ends_with(UPSCALE) {
            one_of(body, "generation_type", &["upscale_video"])?;
            return Ok(Order {
                kind,
                model: UPSCALED.to_owned(),
                prompt: String::new(),
                aspect_ratio: None,
                size: None,
            });
        }
        let model = one_of(body, "model", MODELS)?;
        let model = model.ok_or_else(|| Refusal::Invalid("model: Field required".into()))?;
        one_of(body, "generation_type", &["video"])?;
        one_of(body, "duration", DURATIONS)?;
        check_keyframes(body)?;
        if field(body, "loop").is_some_and(|looped| !looped.is_boolean()) {
            return invalid("loop: Input should be a valid boolean");
        }
        let prompt = text_field(body, "prompt")?.unwrap_or_default();
        if prompt.trim().is_empty() && field(body, "keyframes").is_none() {
            return invalid("Prompt is required if there are no keyframes");
        }
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: one_of(body, "aspect_ratio", ASPECT_RATIOS)?.map(str::to_owned),
            size: None,
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "callback_url")?.as_str().map(str::to_owned)
    }

    fn decode_list(&self, query: &str) -> Result<Listing, Refusal> {
        let number = |name: &str, usual: usize, max: usize| {
            let Some(text) = query_value(query, name) else { return Ok(usual) };
            let number = text.parse().ok().filter(|number| *number <= max);
            number.ok_or_else(|| Refusal::Malformed(format!("{name}: Input should be at most {max}")))
        };
        let (limit, skip) = (number("limit", PAGE_USUAL, PAGE_MAX)?, number("offset", 0, usize::MAX)?);
        Ok(Listing { after: None, since_ms: 0, skip, limit, ascending: false })
    }

    fn encode_list(&self, listed: &[Listed], has_more: bool, place: &Place<'_>) -> Answer {
        let one = |one: &Listed| self.encode_progress(&one.task, one.progress, &one.media_url, place).body;
        let generations: Vec<Value> = listed.iter().map(one).collect();
        let body = json!({ "has_more": has_more, "count": generations.len(), "generations": generations });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        let body = json!({
            "id": id, "generation_type": "video", "state": "queued", "failure_reason": null, "assets": null,
        });
        Answer { status: StatusCode::CREATED, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let (state, failure) = match progress {
            Progress::Waiting => ("queued", None),
            Progress::Running { .. } => ("dreaming", None),
            Progress::Succeeded => ("completed", None),
            Progress::Failed => ("failed", Some("The generation failed.")),
            Progress::Refused => {
                ("failed", Some("400: prompt not allowed because advanced moderation failed"))
            }
        };
        let assets = (progress == Progress::Succeeded).then(|| json!({ "image": null, "video": media_url }));
        let is_upscaled = task.order.model == UPSCALED;
        let kind = if is_upscaled { "upscale_video" } else { "video" };
        let mut body = json!({
            "id": task.id,
            "generation_type": "video",
            "state": state,
            "created_at": moment::encode(task.accepted_at_ms),
            "failure_reason": failure,
            "assets": assets,
            "model": task.order.model,
            "request": { "generation_type": kind },
        });
        if !is_upscaled {
            body["request"]["model"] = task.order.model.as_str().into();
            body["request"]["prompt"] = task.order.prompt.as_str().into();
        }
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, detail) = match refusal {
            Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, json!("Not authenticated")),
            Refusal::Malformed(text) => {
                (StatusCode::UNPROCESSABLE_ENTITY, json!([{ "loc": ["body"], "msg": text }]))
            }
            Refusal::Invalid(text) => (StatusCode::BAD_REQUEST, json!(text)),
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, json!("Generation not found")),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, json!("Too many requests")),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, json!("Internal Server Error")),
        };
        Answer { status, body: json!({ "detail": detail }) }
    }

    /// A UUID.
    fn encode_id(&self, _: Kind, random: &str) -> String {
        let part = |from: usize, to: usize| random.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

/// Frames by address, or earlier generations.
fn check_keyframes(body: &Value) -> Result<(), Refusal> {
    let Some(keyframes) = field(body, "keyframes") else { return Ok(()) };
    let Some(frames) = keyframes.as_object() else {
        return invalid("keyframes: Input should be a valid dictionary");
    };
    let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    for (name, frame) in frames {
        let is_good = matches!(name.as_str(), "frame0" | "frame1")
            && match frame["type"].as_str() {
                Some("image") => frame["url"].as_str().is_some_and(is_web),
                Some("generation") => frame["id"].is_string(),
                _ => false,
            };
        if !is_good {
            return invalid(&format!("keyframes: {name} is not valid"));
        }
    }
    Ok(())
}

fn one_of<'a>(body: &'a Value, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match text_field(body, name)? {
        Some(value) if !allowed.contains(&value) => {
            invalid(&format!("{name}: Input should be {}", allowed.join(", ")))
        }
        value => Ok(value),
    }
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(path: &str, body: &Value) -> Result<Order, Refusal> {
        Luma.decode(Kind::Video, &Place { base_url: "", path }, body)
    }

    #[test]
    fn documented_requests_are_read() {
        let frames = json!({
            "frame0": { "type": "image", "url": "https://example.com/a.png" },
            "frame1": { "type": "generation", "id": "1" },
        });
        let order = decode(
            GENERATIONS,
            &json!({
                "model": "ray-2", "prompt": "a cat", "aspect_ratio": "21:9", "duration": "9s", "resolution": "4k",
                "keyframes": frames, "loop": false,
            }),
        );
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("21:9"));
        let upscale = json!({ "generation_type": "upscale_video", "resolution": "4k" });
        assert_eq!(decode("/dream-machine/v1/generations/1/upscale", &upscale).unwrap().model, "upscale");
    }

    #[test]
    fn what_luma_does_not_take_is_refused() {
        for body in [
            json!({ "prompt": "a cat" }),
            json!({ "model": "ray-9", "prompt": "a cat" }),
            json!({ "model": "ray-2" }),
            json!({ "model": "ray-2", "prompt": "a cat", "duration": 5 }),
            json!({ "model": "ray-2", "prompt": "a cat", "duration": "8s" }),
            json!({ "model": "ray-2", "prompt": "a cat", "aspect_ratio": "2:1" }),
            json!({ "model": "ray-2", "prompt": "a cat", "resolution": "480p" }),
            json!({ "model": "ray-2", "prompt": "a cat", "seed": 7 }),
            json!({ "model": "ray-2", "prompt": "a cat", "loop": "yes" }),
            json!({ "model": "ray-2", "prompt": "a", "keyframes": { "frame0": { "type": "image", "url": "AAAA" } } }),
            json!({ "model": "ray-2", "prompt": "a", "keyframes": { "frame2": { "type": "generation", "id": "1" } } }),
        ] {
            assert!(matches!(decode(GENERATIONS, &body), Err(Refusal::Invalid(_))), "{body}");
        }
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path: &str| Luma.route(&method, &format!("{GENERATIONS}{path}"), "");
        for path in ["", "/video", "/1/upscale"] {
            assert_eq!(route(Method::POST, path), Some(Route::Submit(Kind::Video)), "{path}");
        }
        assert_eq!(route(Method::GET, "/1"), Some(Route::Poll { id: "1".into(), kind: None }));
        assert_eq!(route(Method::GET, ""), Some(Route::List(Kind::Video)));
        for (method, path) in [
            (Method::DELETE, ""),
            (Method::POST, "/image"),
            (Method::POST, "/upscale"),
            (Method::DELETE, "/1"),
        ] {
            assert_eq!(route(method.clone(), path), None, "{method} {path}");
        }
    }
}
