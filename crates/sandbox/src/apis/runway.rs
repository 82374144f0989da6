//! Runway's API as Runway serves it, for clips from words and from images. Rules from
//! <https://docs.dev.runwayml.com/api> and the types of Runway's Python client.
//!
//! Deliberately absent: the models whose names do not stand below, pictures, sound, clips from clips. Of what was stopped
//! or deleted Runway says that it cannot be asked for any more, and has a word for it all the same: here the word.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, read_json, text_field};
use crate::task::{Kind, Order, Progress, Task};

const VERSION: &str = "2024-11-06";
const FROM_TEXT: &str = "/v1/text_to_video";
const FROM_IMAGE: &str = "/v1/image_to_video";
const TASKS: &str = "/v1/tasks/";
/// Code units of UTF-16.
const PROMPT_UNITS_MAX: usize = 1000;

const HD: &[&str] = &["1280:720", "720:1280"];
const HD_AND_FULL: &[&str] = &["1280:720", "720:1280", "1080:1920", "1920:1080"];
const SIX: &[&str] = &["1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"];

/// What a model takes.
struct Model {
    name: &'static str,
    text_ratios: &'static [&'static str],
    image_ratios: &'static [&'static str],
    seconds: std::ops::RangeInclusive<u64>,
    /// Whether only even lengths are made.
    even: bool,
    needs_seconds: bool,
    fields: &'static [&'static str],
    last_frame: bool,
}

static MODELS: &[Model] = &[
    Model {
        name: "gen4_turbo",
        text_ratios: &[],
        image_ratios: SIX,
        seconds: 2..=10,
        even: false,
        needs_seconds: false,
        fields: &["seed", "contentModeration"],
        last_frame: false,
    },
    Model {
        name: "gen4.5",
        text_ratios: HD,
        image_ratios: SIX,
        seconds: 2..=10,
        even: false,
        needs_seconds: true,
        fields: &["seed", "contentModeration"],
        last_frame: false,
    },
    Model {
        name: "veo3",
        text_ratios: HD_AND_FULL,
        image_ratios: HD_AND_FULL,
        seconds: 8..=8,
        even: true,
        needs_seconds: true,
        fields: &["negativePrompt"],
        last_frame: false,
    },
    Model {
        name: "veo3.1",
        text_ratios: HD_AND_FULL,
        image_ratios: HD_AND_FULL,
        seconds: 4..=8,
        even: true,
        needs_seconds: false,
        fields: &["negativePrompt", "audio"],
        last_frame: true,
    },
    Model {
        name: "veo3.1_fast",
        text_ratios: HD_AND_FULL,
        image_ratios: HD_AND_FULL,
        seconds: 4..=8,
        even: true,
        needs_seconds: false,
        fields: &["negativePrompt", "audio"],
        last_frame: true,
    },
    Model {
        name: "gemini_omni_flash",
        text_ratios: HD,
        image_ratios: HD,
        seconds: 3..=10,
        even: false,
        needs_seconds: false,
        fields: &[],
        last_frame: false,
    },
];

pub(super) struct Runway;

impl Api for Runway {
    fn name(&self) -> &'static str {
        "runway"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        if method == Method::POST {
            return [FROM_TEXT, FROM_IMAGE].contains(&path).then_some(Route::Submit(Kind::Video));
        }
        let id =
            path.strip_prefix(TASKS).filter(|id| !id.is_empty() && !id.contains('/')).map(decode_percent)?;
        match *method {
            Method::GET => Some(Route::Poll { id, kind: None }),
            Method::DELETE => Some(Route::Cancel { id }),
            _ => None,
        }
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        if headers.get("x-runway-version").is_none_or(|version| version != VERSION) {
            return Err(Refusal::Malformed("This API version is not supported.".into()));
        }
        read_json(body)
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        let Some(fields) = body.as_object() else {
            return Err(Refusal::Malformed("The body must be an object.".into()));
        };
        let name = text_field(body, "model")?.unwrap_or_default();
        let model = MODELS.iter().find(|model| model.name == name);
        let model = model.ok_or_else(|| Refusal::Invalid(format!("model: {name} is not available")))?;
        let from_image = place.path == FROM_IMAGE;
        let known = ["model", "promptText", "ratio", "duration"];
        let is_known = |key: &str| {
            known.contains(&key) || model.fields.contains(&key) || (from_image && key == "promptImage")
        };
        if let Some(key) = fields.keys().find(|key| !is_known(key)) {
            return invalid(&format!("{key}: unrecognized key"));
        }
        let prompt = text_field(body, "promptText")?.unwrap_or_default();
        if prompt.encode_utf16().count() > PROMPT_UNITS_MAX || (prompt.is_empty() && !from_image) {
            return invalid("promptText: must have 1 to 1000 characters");
        }
        let ratios = if from_image { model.image_ratios } else { model.text_ratios };
        let ratio = text_field(body, "ratio")?.filter(|ratio| ratios.contains(ratio));
        let ratio =
            ratio.ok_or_else(|| Refusal::Invalid(format!("ratio: must be one of {}", ratios.join(", "))))?;
        if from_image {
            check_image(body, model)?;
        }
        check_extras(body, model)?;
        Ok(Order {
            kind,
            model: name.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: Some(ratio.to_owned()),
            size: None,
        })
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: json!({ "id": id }) }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let rest = match progress {
            Progress::Waiting => json!({ "status": "PENDING" }),
            Progress::Running { percent } => {
                json!({ "status": "RUNNING", "progress": f64::from(percent) / 100.0 })
            }
            Progress::Succeeded => json!({ "status": "SUCCEEDED", "output": [media_url] }),
            Progress::Failed => json!({
                "status": "FAILED", "failure": "An unexpected error occurred.", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01",
            }),
            Progress::Refused => json!({
                "status": "FAILED", "failure": "The prompt did not pass.", "failureCode": "SAFETY.INPUT.TEXT",
            }),
        };
        standing(task, rest)
    }

    fn encode_cancel(&self, _: &Task, _: bool, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::NO_CONTENT, body: Value::Null }
    }

    fn encode_stopped(&self, task: &Task, _: &Place<'_>) -> Answer {
        standing(task, json!({ "status": "CANCELLED" }))
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, body) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, json!({ "error": "The API key is not valid." }))
            }
            Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, json!({ "error": text })),
            Refusal::Invalid(text) => (
                StatusCode::BAD_REQUEST,
                json!({ "error": "Validation of body failed", "issues": [{ "message": text }] }),
            ),
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, json!({ "error": "Task not found" })),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, json!({ "error": "Too many requests" })),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "Internal error" })),
        };
        Answer { status, body }
    }

    /// A UUID.
    fn encode_id(&self, _: Kind, random: &str) -> String {
        let part = |from: usize, to: usize| random.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

fn standing(task: &Task, rest: Value) -> Answer {
    let mut body = json!({ "id": task.id, "createdAt": task.accepted_at_ms.to_string() });
    if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
        body.extend(rest);
    }
    Answer { status: StatusCode::OK, body }
}

/// One address, or a list of a first frame and perhaps a last one.
fn check_image(body: &Value, model: &Model) -> Result<(), Refusal> {
    let is_uri = |value: &Value| {
        let starts = ["https://", "http://127.0.0.1", "http://localhost", "runway://", "data:image/"];
        value.as_str().is_some_and(|uri| starts.iter().any(|start| uri.starts_with(start)))
    };
    let positions: Vec<&str> = match body.get("promptImage") {
        Some(uri @ Value::String(_)) if is_uri(uri) => vec!["first"],
        Some(Value::Array(images)) if images.iter().all(|image| is_uri(&image["uri"])) => {
            images.iter().filter_map(|image| image["position"].as_str()).collect()
        }
        _ => Vec::new(),
    };
    match positions.as_slice() {
        ["first"] => Ok(()),
        ["first", "last"] if model.last_frame => Ok(()),
        _ => invalid(
            "promptImage: must be a HTTPS URL or a data URI, or an array of a first frame and a last one",
        ),
    }
}

fn check_extras(body: &Value, model: &Model) -> Result<(), Refusal> {
    let fits = |seconds: u64| model.seconds.contains(&seconds) && !(model.even && seconds % 2 == 1);
    match field(body, "duration") {
        None if model.needs_seconds => return invalid("duration: required"),
        Some(duration) if !duration.as_u64().is_some_and(fits) => return invalid("duration: invalid value"),
        _ => {}
    }
    if field(body, "seed").is_some_and(|seed| seed.as_u64().is_none_or(|seed| u32::try_from(seed).is_err())) {
        return invalid("seed: must be an integer from 0 to 4294967295");
    }
    if field(body, "audio").is_some_and(|audio| !audio.is_boolean()) {
        return invalid("audio: must be a boolean");
    }
    text_field(body, "negativePrompt").map(|_| ())
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(path: &str, body: &Value) -> Result<Order, Refusal> {
        Runway.decode(Kind::Video, &Place { base_url: "", path }, body)
    }

    #[test]
    fn documented_requests_are_read() {
        let text = json!({
            "model": "veo3.1_fast", "promptText": "a cat", "ratio": "1080:1920", "duration": 6, "audio": false,
            "negativePrompt": "rain",
        });
        assert_eq!(decode(FROM_TEXT, &text).unwrap().aspect_ratio.as_deref(), Some("1080:1920"));
        for body in [
            json!({ "model": "gen4_turbo", "promptImage": "https://example.com/a.png", "ratio": "960:960", "seed": 7 }),
            json!({
                "model": "veo3.1", "promptText": "a", "ratio": "1280:720", "promptImage": [
                    { "uri": "https://example.com/a.png", "position": "first" },
                    { "uri": "data:image/png;base64,AAAA", "position": "last" },
                ],
            }),
        ] {
            assert!(decode(FROM_IMAGE, &body).is_ok(), "{body}");
        }
    }

    #[test]
    fn what_runway_does_not_take_is_refused() {
        for (path, body) in [
            (FROM_TEXT, json!({ "model": "gen4_turbo", "promptText": "a", "ratio": "1280:720" })),
            (FROM_TEXT, json!({ "model": "gen4.5", "promptText": "a", "ratio": "1280:720" })),
            (FROM_TEXT, json!({ "model": "gen4.5", "promptText": "a", "ratio": "960:960", "duration": 5 })),
            (FROM_TEXT, json!({ "model": "veo3", "promptText": "a", "ratio": "1280:720", "duration": 6 })),
            (FROM_TEXT, json!({ "model": "veo3.1", "promptText": "a", "ratio": "1280:720", "duration": 5 })),
            (FROM_TEXT, json!({ "model": "veo3.1", "promptText": "a", "ratio": "16:9" })),
            (FROM_TEXT, json!({ "model": "veo3.1", "promptText": "", "ratio": "1280:720" })),
            (FROM_TEXT, json!({ "model": "veo3.1", "promptText": "a", "ratio": "1280:720", "seed": 7 })),
            (FROM_TEXT, json!({ "model": "veo9", "promptText": "a", "ratio": "1280:720" })),
            (FROM_IMAGE, json!({ "model": "veo3.1", "promptText": "a", "ratio": "1280:720" })),
            (
                FROM_IMAGE,
                json!({ "model": "veo3.1", "ratio": "1280:720", "promptImage": "http://example.com/a.png" }),
            ),
            (
                FROM_IMAGE,
                json!({ "model": "gen4_turbo", "ratio": "1280:720", "promptImage": [
                    { "uri": "https://example.com/a.png", "position": "first" },
                    { "uri": "https://example.com/b.png", "position": "last" },
                ] }),
            ),
        ] {
            assert!(matches!(decode(path, &body), Err(Refusal::Invalid(_))), "{path} {body}");
        }
    }

    #[test]
    fn nothing_is_read_without_the_version() {
        let mut headers = HeaderMap::new();
        assert!(matches!(Runway.read(&headers, b"{}"), Err(Refusal::Malformed(_))));
        headers.insert("x-runway-version", VERSION.parse().unwrap());
        assert_eq!(Runway.read(&headers, b"{}"), Ok(json!({})));
    }

    #[test]
    fn an_id_is_a_uuid() {
        let id = Runway.encode_id(Kind::Video, "0123456789abcdef0123456789abcdef");
        assert_eq!(id, "01234567-89ab-cdef-0123-456789abcdef");
    }
}
