//! The Veo models of fal's queue as fal serves them: the model is in the path, the result stands apart from the status.
//! Rules from <https://fal.ai/docs/inference-api/queue>, `/documentation/model-apis/errors`, `/request-errors` and the
//! schemas at `https://fal.ai/models/{id}/llms.txt`.
//!
//! Deliberately absent: webhooks, cancelling, streams of the status, the headers that steer the queue.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, key_behind, text_field};
use crate::task::{Kind, Order, Progress, Task};

const OWNER: &str = "/fal-ai/";
const MODELS: &[&str] = &["veo3", "veo3/fast", "veo3.1", "veo3.1/fast", "veo3.1/lite"];
const REFERENCES_MAX: usize = 3;

const POLICY: &str = "The content could not be processed because it was flagged by a content checker.";
const DISCONNECTED: &str = "Runner disconnected unexpectedly";

pub(super) struct Fal;

/// What goes in besides words; the last part of a model's id says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Text,
    Image,
    Frames,
    References,
}

impl Api for Fal {
    fn name(&self) -> &'static str {
        "fal"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let rest = path.strip_prefix(OWNER)?;
        match *method {
            Method::POST => model_of(rest).map(|_| Route::Submit(Kind::Video)),
            Method::GET => {
                let id = requests_of(rest)?.1;
                let id = id.strip_suffix("/status").unwrap_or(id);
                (!id.contains('/')).then(|| Route::Poll { id: decode_percent(id), kind: None })
            }
            _ => None,
        }
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key_behind("Key ", headers)
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("Input should be a valid dictionary".into()));
        }
        let (model, way) = place.path.strip_prefix(OWNER).and_then(model_of).ok_or(Refusal::UnknownTask)?;
        let prompt = text_field(body, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Refusal::Invalid("prompt: Field required".into()))?;
        check_images(body, way)?;
        check_output(body, model, way)?;
        check_extras(body)?;
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: text_field(body, "aspect_ratio")?.map(str::to_owned),
            size: None,
        })
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        let mut body = links(id, app_of(place.path), place.base_url);
        body["status"] = "IN_QUEUE".into();
        body["queue_position"] = 0.into();
        Answer { status: StatusCode::OK, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        let app = app_of(place.path);
        if task.order.model.split('/').next() != Some(app) {
            return self.encode_refusal(&Refusal::UnknownTask);
        }
        if place.path.ends_with("/status") {
            return status(progress, links(&task.id, app, place.base_url));
        }
        result(task, progress, media_url)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let flat = |status, text: &str| Answer { status, body: json!({ "detail": text }) };
        match refusal {
            Refusal::Unauthorized => flat(StatusCode::UNAUTHORIZED, "Authentication is required"),
            Refusal::Malformed(text) => rejected(&[], text, "json_invalid"),
            Refusal::Invalid(text) => {
                let (field, said) = text.split_once(": ").unwrap_or(("", text));
                rejected(&[field], said, "value_error")
            }
            Refusal::UnknownTask => flat(StatusCode::NOT_FOUND, "Request not found"),
            Refusal::TooMany => flat(StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Refusal::Broken => flat(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }

    /// In the form of a UUID.
    fn encode_id(&self, _: Kind, random: &str) -> String {
        let part = |from, to| random.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

/// The model behind the owner, and what goes in.
fn model_of(rest: &str) -> Option<(&str, Way)> {
    let (model, way) = match rest.rsplit_once('/') {
        Some((model, "image-to-video")) => (model, Way::Image),
        Some((model, "first-last-frame-to-video")) => (model, Way::Frames),
        Some((model, "reference-to-video")) => (model, Way::References),
        _ => (rest, Way::Text),
    };
    let served = match way {
        Way::Text | Way::Image => MODELS.contains(&model),
        Way::Frames => MODELS.contains(&model) && model.starts_with("veo3.1"),
        Way::References => model == "veo3.1",
    };
    served.then_some((model, way))
}

/// The app, which is all that remains of a model in these paths, and what follows.
fn requests_of(rest: &str) -> Option<(&str, &str)> {
    rest.split_once("/requests/").filter(|(app, _)| !app.contains('/'))
}

fn app_of(path: &str) -> &str {
    path.strip_prefix(OWNER).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

fn links(id: &str, app: &str, base_url: &str) -> Value {
    let url = format!("{base_url}{OWNER}{app}/requests/{id}");
    json!({
        "request_id": id,
        "response_url": url,
        "status_url": format!("{url}/status"),
        "cancel_url": format!("{url}/cancel"),
    })
}

fn status(progress: Progress, mut body: Value) -> Answer {
    let (status, word) = match progress {
        Progress::Waiting => (StatusCode::ACCEPTED, "IN_QUEUE"),
        Progress::Running { .. } => (StatusCode::ACCEPTED, "IN_PROGRESS"),
        Progress::Succeeded | Progress::Failed | Progress::Refused => (StatusCode::OK, "COMPLETED"),
    };
    body["status"] = word.into();
    match progress {
        Progress::Waiting => body["queue_position"] = 0.into(),
        Progress::Running { .. } => body["logs"] = Value::Null,
        // What a model says, a refusal too, is told with the result alone.
        Progress::Succeeded | Progress::Refused => {
            body["logs"] = Value::Null;
            body["metrics"] = json!({ "inference_time": 1.5 });
        }
        Progress::Failed => {
            body["logs"] = Value::Null;
            body["error"] = DISCONNECTED.into();
            body["error_type"] = "runner_disconnected".into();
        }
    }
    Answer { status, body }
}

fn result(task: &Task, progress: Progress, media_url: &str) -> Answer {
    match progress {
        Progress::Waiting | Progress::Running { .. } => Answer {
            status: StatusCode::BAD_REQUEST,
            body: json!({ "detail": "Request is still in progress" }),
        },
        Progress::Succeeded => {
            let file = json!({
                "url": media_url,
                "content_type": task.order.kind.media_type(),
                "file_name": format!("output.{}", task.order.kind.extension()),
                "file_size": null,
            });
            Answer { status: StatusCode::OK, body: json!({ "video": file }) }
        }
        Progress::Refused => rejected(&["prompt"], POLICY, "content_policy_violation"),
        Progress::Failed => Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: json!({ "detail": DISCONNECTED, "error_type": "runner_disconnected" }),
        },
    }
}

/// A model's own refusal, which names the field at fault.
fn rejected(fields: &[&str], text: &str, r#type: &str) -> Answer {
    let mut loc = vec!["body"];
    loc.extend(fields.iter().filter(|field| !field.is_empty()));
    let detail = json!([{ "loc": loc, "msg": text, "type": r#type }]);
    Answer { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({ "detail": detail }) }
}

fn check_images(body: &Value, way: Way) -> Result<(), Refusal> {
    let required: &[&str] = match way {
        Way::Text => &[],
        Way::Image => &["image_url"],
        Way::Frames => &["first_frame_url", "last_frame_url"],
        Way::References => {
            let images = field(body, "image_urls").and_then(Value::as_array);
            let count = images.map_or(0, Vec::len);
            if !(1..=REFERENCES_MAX).contains(&count) || !images.is_some_and(|all| all.iter().all(is_file)) {
                return invalid("image_urls", "List should have 1 to 3 URLs");
            }
            &[]
        }
    };
    match required.iter().find(|name| !field(body, name).is_some_and(is_file)) {
        Some(name) => invalid(name, "A URL or data URI is required"),
        None => Ok(()),
    }
}

fn check_output(body: &Value, model: &str, way: Way) -> Result<(), Refusal> {
    let ratios: &[&str] = match way {
        Way::Text | Way::References => &["16:9", "9:16"],
        Way::Image | Way::Frames => &["auto", "16:9", "9:16"],
    };
    let is_lite = model.ends_with("/lite");
    let durations: &[&str] = match way {
        Way::References => &["8s"],
        Way::Frames if is_lite => &["8s"],
        _ => &["4s", "6s", "8s"],
    };
    let resolutions: &[&str] =
        if model.starts_with("veo3.1") && !is_lite { &["720p", "1080p", "4k"] } else { &["720p", "1080p"] };
    one_of(body, "aspect_ratio", ratios)?;
    one_of(body, "duration", durations)?;
    one_of(body, "resolution", resolutions)?;
    if is_lite && body["resolution"] == "1080p" && field(body, "duration").is_some_and(|d| d != "8s") {
        return invalid("duration", "1080p requires 8s");
    }
    Ok(())
}

fn check_extras(body: &Value) -> Result<(), Refusal> {
    text_field(body, "negative_prompt")
        .or_else(|_| invalid("negative_prompt", "Input should be a string"))?;
    one_of(body, "safety_tolerance", &["1", "2", "3", "4", "5", "6"])?;
    for name in ["generate_audio", "auto_fix"] {
        if field(body, name).is_some_and(|value| !value.is_boolean()) {
            return invalid(name, "Input should be a valid boolean");
        }
    }
    if field(body, "seed").is_some_and(|seed| !seed.is_i64() && !seed.is_u64()) {
        return invalid("seed", "Input should be a valid integer");
    }
    Ok(())
}

fn one_of(body: &Value, name: &str, allowed: &[&str]) -> Result<(), Refusal> {
    match field(body, name) {
        Some(value) if !value.as_str().is_some_and(|text| allowed.contains(&text)) => {
            invalid(name, &format!("Input should be {}", allowed.join(" or ")))
        }
        _ => Ok(()),
    }
}

fn is_file(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let uri = text.parse::<http::Uri>().ok();
    let is_web = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    text.starts_with("data:") || uri.is_some_and(is_web)
}

fn invalid<T>(field: &str, text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(format!("{field}: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(model: &str, body: &Value) -> Result<Order, Refusal> {
        let path = format!("/fal-ai/{model}");
        Fal.decode(Kind::Video, &Place { base_url: "", path: &path }, body)
    }

    #[test]
    fn models_are_in_the_path_and_requests_know_the_app_alone() {
        fn route(method: Method, path: &str) -> Option<Route> {
            Fal.route(&method, path, "")
        }
        let submit = Some(Route::Submit(Kind::Video));
        for model in ["veo3", "veo3/fast/image-to-video", "veo3.1/lite/first-last-frame-to-video"] {
            assert_eq!(route(Method::POST, &format!("/fal-ai/{model}")), submit, "{model}");
        }
        assert_eq!(route(Method::POST, "/fal-ai/veo3.1/reference-to-video"), submit);
        for model in ["veo9", "veo3/first-last-frame-to-video", "veo3.1/fast/reference-to-video"] {
            assert_eq!(route(Method::POST, &format!("/fal-ai/{model}")), None, "{model}");
        }
        let poll = Some(Route::Poll { id: "a b".into(), kind: None });
        assert_eq!(route(Method::GET, "/fal-ai/veo3.1/requests/a%20b/status"), poll);
        assert_eq!(route(Method::GET, "/fal-ai/veo3.1/requests/a%20b"), poll);
        assert_eq!(route(Method::GET, "/fal-ai/veo3.1/fast/requests/a"), None);
        assert_eq!(route(Method::GET, "/fal-ai/veo3.1/requests/a/cancel"), None);
    }

    #[test]
    fn a_documented_request_is_read() {
        let order = decode(
            "veo3.1/fast/image-to-video",
            &json!({
                "prompt": "A dog", "image_url": "https://example.com/a.png", "aspect_ratio": "auto", "duration": "6s",
                "negative_prompt": "cats", "resolution": "4k", "generate_audio": false, "seed": 7, "auto_fix": true,
                "safety_tolerance": "4", "a_field_of_tomorrow": 1,
            }),
        );
        let order = order.unwrap();
        assert_eq!((&*order.model, order.aspect_ratio.as_deref()), ("veo3.1/fast", Some("auto")));
        let frames = json!({ "prompt": "a", "first_frame_url": "data:image/png;base64,AAAA", "last_frame_url": "http://a/b" });
        assert!(decode("veo3.1/first-last-frame-to-video", &frames).is_ok());
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let url = "https://example.com/a.png";
        for (model, body) in [
            ("veo3.1", json!({ "prompt": " " })),
            ("veo3.1", json!({ "prompt": 7 })),
            ("veo3.1", json!({ "prompt": "a", "duration": 8 })),
            ("veo3.1", json!({ "prompt": "a", "duration": "5s" })),
            ("veo3.1", json!({ "prompt": "a", "aspect_ratio": "auto" })),
            ("veo3.1", json!({ "prompt": "a", "resolution": "480p" })),
            ("veo3.1", json!({ "prompt": "a", "seed": "7" })),
            ("veo3.1", json!({ "prompt": "a", "generate_audio": "yes" })),
            ("veo3.1/lite", json!({ "prompt": "a", "resolution": "4k" })),
            ("veo3.1/lite", json!({ "prompt": "a", "resolution": "1080p", "duration": "4s" })),
            ("veo3.1/image-to-video", json!({ "prompt": "a" })),
            ("veo3.1/image-to-video", json!({ "prompt": "a", "image_url": "iVBORw0KGgo" })),
            ("veo3.1/first-last-frame-to-video", json!({ "prompt": "a", "first_frame_url": url })),
            ("veo3.1/reference-to-video", json!({ "prompt": "a", "image_urls": [] })),
            ("veo3.1/reference-to-video", json!({ "prompt": "a", "image_urls": [url, url, url, url] })),
            ("veo3.1/reference-to-video", json!({ "prompt": "a", "image_urls": [url], "duration": "4s" })),
        ] {
            assert!(matches!(decode(model, &body), Err(Refusal::Invalid(_))), "{model} {body}");
        }
        assert!(matches!(decode("veo3.1", &json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_refusal_names_the_field() {
        let answer = Fal.encode_refusal(&Refusal::Invalid("duration: Input should be 8s".into()));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.body["detail"][0]["loc"], json!(["body", "duration"]));
        assert_eq!(answer.body["detail"][0]["msg"], "Input should be 8s");
    }
}
