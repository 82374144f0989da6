//! apixo.ai as apixo serves it: the model is in both paths, results are JSON in a text, and the body repeats the status.
//! Rules from <https://apixo.ai/docs/models/video/veo-3-1>, `/docs/models/image/nano-banana`, `nano-banana-2` and
//! `/docs/api-reference/errors`.
//!
//! Deliberately absent: callbacks, the balance, all other models.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const SUBMIT: &str = "/api/v1/generateTask/";
const POLL: &str = "/api/v1/statusTask/";

const VEO: &str = "veo-3-1";
const VEO_MODES: &[&str] = &["quality", "fast"];
const VEO_RATIOS: &[&str] = &["16:9", "9:16", "auto"];
const VEO_PROMPT_MAX: usize = 10_000;

const IMAGE_MODES: &[&str] = &["text-to-image", "image-to-image"];
const IMAGE_RATIOS: &[&str] =
    &["auto", "1:1", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
const OUTPUT_FORMATS: &[&str] = &["png", "jpeg", "jpg"];

/// What sets one picture model apart from the other.
struct ImageModel {
    name: &'static str,
    prompt_max: usize,
    images_max: usize,
    /// Required if there are any.
    resolutions: &'static [&'static str],
}

const IMAGE_MODELS: &[ImageModel] = &[
    ImageModel { name: "nano-banana", prompt_max: 5_000, images_max: 5, resolutions: &[] },
    ImageModel {
        name: "nano-banana-2",
        prompt_max: 20_000,
        images_max: 14,
        resolutions: &["1k", "2k", "4k"],
    },
];

pub(super) struct Apixo;

impl Api for Apixo {
    fn name(&self) -> &'static str {
        "apixo"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let model =
            |start| path.strip_prefix(start).filter(|model| !model.is_empty() && !model.contains('/'));
        match *method {
            Method::POST => model(SUBMIT).map(|model| Route::Submit(kind_of(model))),
            Method::GET => model(POLL).map(|_| {
                let id = query.split('&').find_map(|pair| pair.strip_prefix("taskId=")).unwrap_or_default();
                Route::Poll { id: decode_percent(id), kind: None }
            }),
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("The request body must be a JSON object".into()));
        }
        check_delivery(body)?;
        let input = field(body, "input").filter(|input| input.is_object());
        let input = input.ok_or_else(|| Refusal::Invalid("Missing required field: input".into()))?;
        let model = place.path.strip_prefix(SUBMIT).unwrap_or_default();
        let prompt_max = if model == VEO {
            check_veo(input)?;
            VEO_PROMPT_MAX
        } else {
            let known = IMAGE_MODELS.iter().find(|known| known.name == model).ok_or(Refusal::UnknownTask)?;
            check_image(input, known)?;
            known.prompt_max
        };
        let prompt = required(input, "prompt")?;
        if prompt.trim().is_empty() || prompt.chars().count() > prompt_max {
            return invalid(&format!("input.prompt must have 1 to {prompt_max} characters"));
        }
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: text_field(input, "aspect_ratio")?.map(str::to_owned),
            size: None,
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "callback_url")?.as_str().map(str::to_owned)
    }

    /// A poll has the model in its path, a submit has it in another one.
    fn encode_told(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Value {
        let path = format!("{POLL}{}", task.order.model);
        self.encode_progress(task, progress, media_url, &Place { path: &path, ..*place }).body
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        success(json!({ "taskId": id }))
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        if place.path.strip_prefix(POLL) != Some(&task.order.model) {
            return self.encode_refusal(&Refusal::UnknownTask);
        }
        let (state, failure) = match progress {
            Progress::Waiting => ("pending", None),
            Progress::Running { .. } => ("processing", None),
            Progress::Succeeded => ("success", None),
            Progress::Refused => {
                ("failed", Some(("CONTENT_VIOLATION", "Content does not meet safety guidelines")))
            }
            Progress::Failed => ("failed", Some(("GENERATION_FAILED", "Generic generation failure"))),
        };
        let mut data = json!({ "taskId": task.id, "state": state, "createTime": task.accepted_at_ms });
        if let Some((code, text)) = failure {
            data["failCode"] = code.into();
            data["failMsg"] = text.into();
        }
        if progress == Progress::Succeeded {
            data["resultJson"] = json!({ "resultUrls": [media_url] }).to_string().into();
            data["completeTime"] = task.finished_at_ms().into();
            data["costTime"] = task.generation_ms.into();
        }
        success(data)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, message, data) = match refusal {
            Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "Invalid API Key", Value::Null),
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                (StatusCode::BAD_REQUEST, "Invalid request", json!({ "error": text }))
            }
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, "Resource not found", Value::Null),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", Value::Null),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", Value::Null),
        };
        Answer { status, body: json!({ "code": status.as_u16(), "message": message, "data": data }) }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("task_{random}")
    }
}

fn kind_of(model: &str) -> Kind {
    if model == VEO { Kind::Video } else { Kind::Image }
}

fn success(data: Value) -> Answer {
    Answer { status: StatusCode::OK, body: json!({ "code": 200, "message": "success", "data": data }) }
}

fn check_delivery(body: &Value) -> Result<(), Refusal> {
    let request_type = text_field(body, "request_type")?.unwrap_or("async");
    one_of("request_type", request_type, &["async", "callback"])?;
    let url = text_field(body, "callback_url")?;
    if request_type == "callback" && !url.is_some_and(|url| url.starts_with("https://")) {
        return invalid("callback_url must be a public HTTPS URL when request_type is callback");
    }
    one_of("provider", text_field(body, "provider")?.unwrap_or("auto"), &["auto", "value", "official"])
}

fn check_veo(input: &Value) -> Result<(), Refusal> {
    let mode = required(input, "mode")?;
    one_of("input.mode", mode, VEO_MODES)?;
    let generation_type = required(input, "generationType")?;
    let allowed = match generation_type {
        "TEXT_2_VIDEO" => 0..=0,
        "FIRST_AND_LAST_FRAMES_2_VIDEO" => 1..=2,
        "REFERENCE_2_VIDEO" => 1..=3,
        other => return invalid(&format!("input.generationType {other} is not supported")),
    };
    let images = images(input)?;
    if !allowed.contains(&images) {
        return invalid(&format!(
            "input.image_urls holds {images} URLs, {generation_type} takes {allowed:?}"
        ));
    }
    let ratio = text_field(input, "aspect_ratio")?.unwrap_or("16:9");
    one_of("input.aspect_ratio", ratio, VEO_RATIOS)?;
    if generation_type == "REFERENCE_2_VIDEO" && (mode, ratio) != ("fast", "16:9") {
        return invalid("REFERENCE_2_VIDEO only supports fast mode and aspect_ratio 16:9");
    }
    text_field(input, "watermark")?;
    if field(input, "seed").is_some_and(|seed| !seed.is_u64()) {
        return invalid("input.seed must be an integer");
    }
    if field(input, "enableTranslation").is_some_and(|value| !value.is_boolean()) {
        return invalid("input.enableTranslation must be a boolean");
    }
    Ok(())
}

fn check_image(input: &Value, model: &ImageModel) -> Result<(), Refusal> {
    let mode = required(input, "mode")?;
    one_of("input.mode", mode, IMAGE_MODES)?;
    let allowed = if mode == "text-to-image" { 0..=0 } else { 1..=model.images_max };
    let images = images(input)?;
    if !allowed.contains(&images) {
        return invalid(&format!("input.image_urls holds {images} URLs, {mode} takes {allowed:?}"));
    }
    one_of("input.aspect_ratio", required(input, "aspect_ratio")?, IMAGE_RATIOS)?;
    one_of("input.output_format", text_field(input, "output_format")?.unwrap_or("jpeg"), OUTPUT_FORMATS)?;
    if model.resolutions.is_empty() {
        return Ok(());
    }
    one_of("input.resolution", required(input, "resolution")?, model.resolutions)
}

/// How many images there are; all must be addresses.
fn images(input: &Value) -> Result<usize, Refusal> {
    let images = match field(input, "image_urls") {
        None => return Ok(0),
        Some(Value::Array(images)) => images,
        Some(_) => return invalid("input.image_urls must be an array"),
    };
    let is_web_url = |image: &Value| {
        let uri = image.as_str().and_then(|text| text.parse::<http::Uri>().ok());
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    if images.iter().all(is_web_url) {
        Ok(images.len())
    } else {
        invalid("Cannot access the provided image URL")
    }
}

fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    text_field(input, name)?.ok_or_else(|| Refusal::Invalid(format!("Missing required field: input.{name}")))
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    invalid(&format!("{name} \"{value}\" is not supported, use one of {}", allowed.join(", ")))
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(model: &str, body: &Value) -> Result<Order, Refusal> {
        let path = format!("{SUBMIT}{model}");
        Apixo.decode(kind_of(model), &Place { base_url: "http://127.0.0.1:1", path: &path }, body)
    }

    fn veo(changes: Value) -> Value {
        let mut input = json!({ "mode": "fast", "prompt": "a", "generationType": "TEXT_2_VIDEO" });
        for (name, value) in changes.as_object().unwrap() {
            input[name] = value.clone();
        }
        json!({ "request_type": "async", "input": input })
    }

    #[test]
    fn the_documented_requests_are_read() {
        let clip = json!({
            "request_type": "callback", "callback_url": "https://your-server.com/callback", "provider": "official",
            "input": {
                "mode": "quality", "prompt": "a calm ocean", "generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO",
                "image_urls": ["https://example.com/start.jpg", "https://example.com/end.jpg"],
                "aspect_ratio": "9:16", "watermark": "", "seed": 1234
            }
        });
        let order = decode(VEO, &clip).unwrap();
        assert_eq!((order.kind, order.model.as_str()), (Kind::Video, VEO));
        assert_eq!((order.prompt.as_str(), order.aspect_ratio.as_deref()), ("a calm ocean", Some("9:16")));
        let picture = json!({
            "input": { "mode": "text-to-image", "prompt": "a cafe", "aspect_ratio": "3:2", "resolution": "2k" }
        });
        assert_eq!(decode("nano-banana-2", &picture).unwrap().kind, Kind::Image);
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let url = "https://example.com/a.jpg";
        let reference = |changes: Value| {
            let mut body = veo(json!({ "generationType": "REFERENCE_2_VIDEO", "image_urls": [url] }));
            for (name, value) in changes.as_object().unwrap() {
                body["input"][name] = value.clone();
            }
            body
        };
        assert!(decode(VEO, &reference(json!({}))).is_ok());
        let wrong = [
            json!({}),
            json!({ "input": "a" }),
            veo(json!({ "prompt": " " })),
            veo(json!({ "prompt": "x".repeat(VEO_PROMPT_MAX + 1) })),
            veo(json!({ "mode": "lite" })),
            veo(json!({ "mode": null })),
            veo(json!({ "generationType": null })),
            veo(json!({ "generationType": "IMAGE_2_VIDEO" })),
            veo(json!({ "image_urls": [url] })),
            veo(json!({ "generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO" })),
            veo(
                json!({ "generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO", "image_urls": ["data:image/png;base64,AA"] }),
            ),
            veo(json!({ "aspect_ratio": "1:1" })),
            veo(json!({ "seed": "1" })),
            veo(json!({ "watermark": true })),
            veo(json!({ "enableTranslation": "yes" })),
            reference(json!({ "mode": "quality" })),
            reference(json!({ "aspect_ratio": "auto" })),
            reference(json!({ "image_urls": [url, url, url, url] })),
        ];
        for body in wrong {
            assert!(matches!(decode(VEO, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        let mut callback = veo(json!({}));
        callback["request_type"] = "callback".into();
        assert!(matches!(decode(VEO, &callback), Err(Refusal::Invalid(_))));
        assert!(matches!(decode(VEO, &json!([])), Err(Refusal::Malformed(_))));
        assert_eq!(decode("veo-9", &veo(json!({}))), Err(Refusal::UnknownTask));
    }

    #[test]
    fn a_picture_needs_ratio_and_tier() {
        let picture = |input: Value| decode("nano-banana-2", &json!({ "input": input }));
        for input in [
            json!({ "mode": "text-to-image", "prompt": "a", "resolution": "1k" }),
            json!({ "mode": "text-to-image", "prompt": "a", "aspect_ratio": "1:1" }),
            json!({ "mode": "image-to-image", "prompt": "a", "aspect_ratio": "1:1", "resolution": "1k" }),
            json!({ "mode": "quality", "prompt": "a", "aspect_ratio": "1:1", "resolution": "1k" }),
        ] {
            assert!(matches!(picture(input.clone()), Err(Refusal::Invalid(_))), "{input}");
        }
    }
}
