//! The Veo models of Replicate as Replicate serves them: the model is in the path or is told by its version, and all
//! that it gets is in `input`. Rules from <https://replicate.com/docs/reference/http> and the schemas at
//! `https://replicate.com/google/{model}/api`.
//!
//! Deliberately absent: webhooks, cancelling, waiting (`Prefer: wait`), the moments in a prediction.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field};
use crate::task::{Kind, Order, Progress, Task};

const PREDICTIONS: &str = "/v1/predictions";
const REFERENCES_MAX: usize = 3;

const POLICY: &str =
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)";
const FAILED: &str = "Prediction failed due to an internal error. (E9828)";
const UNKNOWN_VERSION: &str =
    "The specified version does not exist (or perhaps you don't have permission to use it?)";

pub(super) struct Replicate;

/// What a model takes.
#[derive(Debug, PartialEq, Eq)]
struct Model {
    name: &'static str,
    /// A version of it; empty if none is known.
    version: &'static str,
    durations_s: &'static [u64],
    resolutions: &'static [&'static str],
    last_frame: bool,
    references: bool,
}

static MODELS: &[Model] = &[
    Model {
        name: "google/veo-3.1",
        version: "ed5b1767b711dd15d954b162af1e890d27882680f463a85e94f02d604012b972",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: true,
        references: true,
    },
    Model {
        name: "google/veo-3.1-fast",
        version: "",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: true,
        references: false,
    },
    Model {
        name: "google/veo-3",
        version: "",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: false,
        references: false,
    },
    Model {
        name: "google/veo-3-fast",
        version: "368d4063e21ecf73746b8e6d27989837d97ba07b5eca43a4e5488c852e10c2ec",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: false,
        references: false,
    },
    Model {
        name: "google/veo-2",
        version: "0546b4e90d4f215c7fc42c9b8d815df3a7b6e47a754ee94ddb62b3f667fea9a5",
        durations_s: &[5, 6, 7, 8],
        resolutions: &[],
        last_frame: false,
        references: false,
    },
];

impl Api for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        match *method {
            Method::POST if path == PREDICTIONS => Some(Route::Submit(Kind::Video)),
            Method::POST => name_in(path).map(|_| Route::Submit(Kind::Video)),
            Method::GET => {
                let id = path.strip_prefix(PREDICTIONS)?.strip_prefix('/')?;
                (!id.contains('/')).then(|| Route::Poll { id: decode_percent(id), kind: None })
            }
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("JSON parse error - an object is expected".into()));
        }
        let model = match name_in(place.path) {
            Some(name) => MODELS.iter().find(|model| model.name == name).ok_or(Refusal::UnknownTask)?,
            None => model_of_version(body)?,
        };
        let input = body.get("input").ok_or_else(|| Refusal::Invalid("input is required".into()))?;
        if !input.is_object() {
            return invalid("input: Invalid type. Expected: object");
        }
        let prompt = text(input, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Refusal::Invalid("input: prompt is required".into()))?;
        check_images(input, model)?;
        check_output(input, model)?;
        Ok(Order {
            kind,
            model: model.name.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: text(input, "aspect_ratio")?.map(str::to_owned),
            size: None,
        })
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        let body = json!({
            "id": id,
            "model": name_in(place.path),
            "version": "hidden",
            "logs": "",
            "output": null,
            "error": null,
            "status": "starting",
            "urls": urls(id, place),
        });
        Answer { status: StatusCode::CREATED, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        let (status, error) = match progress {
            Progress::Waiting => ("starting", Value::Null),
            Progress::Running { .. } => ("processing", Value::Null),
            Progress::Succeeded => ("succeeded", Value::Null),
            Progress::Failed => ("failed", json!(FAILED)),
            Progress::Refused => ("failed", json!(POLICY)),
        };
        let is_done = progress == Progress::Succeeded;
        let seconds = task.generation_ms as f64 / 1000.0;
        let body = json!({
            "id": task.id,
            "model": task.order.model,
            "version": "hidden",
            "input": { "prompt": task.order.prompt, "aspect_ratio": task.order.aspect_ratio },
            "logs": "",
            "output": is_done.then_some(media_url),
            "data_removed": false,
            "error": error,
            "source": "api",
            "status": status,
            "metrics": if is_done { json!({ "predict_time": seconds }) } else { json!({}) },
            "urls": urls(&task.id, place),
        });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, title, detail) = match refusal {
            Refusal::Unauthorized => {
                let detail = "You did not pass a valid authentication token";
                (StatusCode::UNAUTHORIZED, "Unauthenticated", detail.to_owned())
            }
            Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, "", text.clone()),
            Refusal::Invalid(text) if text == UNKNOWN_VERSION => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Invalid version or not permitted", text.clone())
            }
            Refusal::Invalid(text) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Input validation failed", format!("- {text}\n"))
            }
            Refusal::UnknownTask => {
                (StatusCode::NOT_FOUND, "", "The requested resource could not be found.".to_owned())
            }
            Refusal::TooMany => {
                let detail = "Request was throttled. Expected available in 1 second.";
                (StatusCode::TOO_MANY_REQUESTS, "", detail.to_owned())
            }
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "", "Internal server error".to_owned()),
        };
        let mut body = json!({ "detail": detail, "status": status.as_u16() });
        if !title.is_empty() {
            body["title"] = title.into();
        }
        Answer { status, body }
    }

    /// 26 characters.
    fn encode_id(&self, _: Kind, random: &str) -> String {
        random.get(..26).unwrap_or(random).to_owned()
    }
}

/// `owner/name` in a path that has it.
fn name_in(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/v1/models/")?.strip_suffix("/predictions")?;
    let (owner, rest) = name.split_once('/')?;
    (!owner.is_empty() && !rest.is_empty() && !rest.contains('/')).then_some(name)
}

/// The model of `version`: a version alone, `owner/name:version`, or `owner/name` for an official model.
fn model_of_version(body: &Value) -> Result<&'static Model, Refusal> {
    let version = body.get("version").ok_or_else(|| Refusal::Invalid("version is required".into()))?;
    let version = version.as_str().unwrap_or_default();
    let known = |model: &&Model| match version.split_once(':') {
        Some((name, version)) => model.name == name && model.version == version,
        None => model.name == version || (!version.is_empty() && model.version == version),
    };
    MODELS.iter().find(known).ok_or_else(|| Refusal::Invalid(UNKNOWN_VERSION.into()))
}

fn urls(id: &str, place: &Place<'_>) -> Value {
    let url = format!("{}{PREDICTIONS}/{id}", place.base_url);
    json!({ "cancel": format!("{url}/cancel"), "get": url })
}

fn check_images(input: &Value, model: &Model) -> Result<(), Refusal> {
    for name in ["image", "last_frame"] {
        if field(input, name).is_some_and(|value| !is_file(value)) {
            return invalid(&format!("input.{name}: Does not match format 'uri'"));
        }
    }
    // What the schema does not name is ignored upstream; here it is refused, because a gateway must not send it.
    if field(input, "last_frame").is_some() && (!model.last_frame || field(input, "image").is_none()) {
        return invalid("input.last_frame: not possible here");
    }
    let Some(references) = field(input, "reference_images") else { return Ok(()) };
    let references = references.as_array().filter(|all| all.iter().all(is_file));
    match references.map(Vec::len) {
        Some(0) => Ok(()),
        Some(..=REFERENCES_MAX) if model.references => one_of(input, "duration", &[json!(8)])
            .and_then(|()| one_of(input, "aspect_ratio", &[json!("16:9")])),
        _ => invalid("input.reference_images: 1 to 3 URIs are possible, with veo-3.1 alone"),
    }
}

fn check_output(input: &Value, model: &Model) -> Result<(), Refusal> {
    let numbers: Vec<Value> = model.durations_s.iter().map(|seconds| json!(seconds)).collect();
    let resolutions: Vec<Value> = model.resolutions.iter().map(|resolution| json!(resolution)).collect();
    one_of(input, "duration", &numbers)?;
    one_of(input, "resolution", &resolutions)?;
    one_of(input, "aspect_ratio", &[json!("16:9"), json!("9:16")])?;
    text(input, "negative_prompt")?;
    if field(input, "generate_audio").is_some_and(|value| !value.is_boolean()) {
        return invalid("input.generate_audio: Invalid type. Expected: boolean");
    }
    if field(input, "seed").is_some_and(|seed| !seed.is_i64() && !seed.is_u64()) {
        return invalid("input.seed: Invalid type. Expected: integer");
    }
    Ok(())
}

fn text<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>, Refusal> {
    match field(input, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => invalid(&format!("input.{name}: Invalid type. Expected: string")),
    }
}

fn one_of(input: &Value, name: &str, allowed: &[Value]) -> Result<(), Refusal> {
    match field(input, name) {
        Some(value) if !allowed.contains(value) => {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let allowed = allowed.join(", ");
            invalid(&format!("input.{name}: {name} must be one of the following: {allowed}"))
        }
        _ => Ok(()),
    }
}

fn is_file(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let is_web = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    text.starts_with("data:") || text.parse().is_ok_and(is_web)
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(path: &str, body: &Value) -> Result<Order, Refusal> {
        Replicate.decode(Kind::Video, &Place { base_url: "", path }, body)
    }

    fn by_name(name: &str, input: &Value) -> Result<Order, Refusal> {
        decode(&format!("/v1/models/google/{name}/predictions"), &json!({ "input": input }))
    }

    #[test]
    fn a_model_is_in_the_path_or_told_by_its_version() {
        let route = |method: Method, path: &str| Replicate.route(&method, path, "");
        let submit = Some(Route::Submit(Kind::Video));
        assert_eq!(route(Method::POST, "/v1/models/google/veo-3.1/predictions"), submit);
        assert_eq!(route(Method::POST, "/v1/predictions"), submit);
        let poll = Some(Route::Poll { id: "a b".into(), kind: None });
        assert_eq!(route(Method::GET, "/v1/predictions/a%20b"), poll);
        for (method, path) in [
            (Method::POST, "/v1/models/veo-3.1/predictions"),
            (Method::POST, "/v1/models/a/b/c/predictions"),
            (Method::POST, "/v1/predictions/a"),
            (Method::GET, "/v1/predictions/a/cancel"),
            (Method::GET, "/v1/predictions"),
            (Method::DELETE, "/v1/predictions/a"),
        ] {
            assert_eq!(route(method, path), None, "{path}");
        }
        let version = |version: &str| {
            decode(PREDICTIONS, &json!({ "version": version, "input": { "prompt": "a" } })).map(|o| o.model)
        };
        let hash = "0546b4e90d4f215c7fc42c9b8d815df3a7b6e47a754ee94ddb62b3f667fea9a5";
        for known in ["google/veo-2", hash, &format!("google/veo-2:{hash}")] {
            assert_eq!(version(known), Ok("google/veo-2".to_owned()), "{known}");
        }
        for unknown in ["", ":", "google/veo-9", "0546b4e9", &format!("google/veo-3:{hash}")] {
            assert_eq!(version(unknown), invalid(UNKNOWN_VERSION), "{unknown}");
        }
        assert_eq!(by_name("veo-9", &json!({ "prompt": "a" })), Err(Refusal::UnknownTask));
    }

    #[test]
    fn a_documented_request_is_read() {
        let order = by_name(
            "veo-3.1",
            &json!({
                "prompt": "A dog", "image": "https://example.com/a.png", "last_frame": "data:image/png;base64,AAAA",
                "duration": 8, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": true,
                "negative_prompt": "cats", "seed": 7, "reference_images": [], "a_field_of_tomorrow": 1,
            }),
        );
        let order = order.unwrap();
        assert_eq!((&*order.model, order.aspect_ratio.as_deref()), ("google/veo-3.1", Some("16:9")));
        let references = json!({ "prompt": "a", "reference_images": ["https://example.com/a.png"] });
        assert!(by_name("veo-3.1", &references).is_ok());
        assert!(by_name("veo-2", &json!({ "prompt": "a", "duration": 5 })).is_ok());
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let url = "https://example.com/a.png";
        for (model, input) in [
            ("veo-3.1", json!("a")),
            ("veo-3.1", json!({ "prompt": " " })),
            ("veo-3.1", json!({ "prompt": 7 })),
            ("veo-3.1", json!({ "prompt": "a", "duration": "8" })),
            ("veo-3.1", json!({ "prompt": "a", "duration": 5 })),
            ("veo-2", json!({ "prompt": "a", "duration": 4 })),
            ("veo-2", json!({ "prompt": "a", "resolution": "720p" })),
            ("veo-3.1", json!({ "prompt": "a", "resolution": "4k" })),
            ("veo-3.1", json!({ "prompt": "a", "aspect_ratio": "1:1" })),
            ("veo-3.1", json!({ "prompt": "a", "seed": "7" })),
            ("veo-3.1", json!({ "prompt": "a", "generate_audio": "yes" })),
            ("veo-3.1", json!({ "prompt": "a", "image": "iVBORw0KGgo" })),
            ("veo-3.1", json!({ "prompt": "a", "image": [url] })),
            ("veo-3.1", json!({ "prompt": "a", "last_frame": url })),
            ("veo-3", json!({ "prompt": "a", "image": url, "last_frame": url })),
            ("veo-3.1", json!({ "prompt": "a", "reference_images": url })),
            ("veo-3.1", json!({ "prompt": "a", "reference_images": [url, url, url, url] })),
            ("veo-3.1", json!({ "prompt": "a", "reference_images": [url], "duration": 4 })),
            ("veo-3.1", json!({ "prompt": "a", "reference_images": [url], "aspect_ratio": "9:16" })),
            ("veo-3.1-fast", json!({ "prompt": "a", "reference_images": [url] })),
        ] {
            assert!(matches!(by_name(model, &input), Err(Refusal::Invalid(_))), "{model} {input}");
        }
        for body in [json!({ "prompt": "a" }), json!({ "input": { "prompt": "a" } })] {
            assert!(matches!(decode(PREDICTIONS, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        assert!(matches!(decode(PREDICTIONS, &json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_refusal_says_its_status_and_the_field() {
        let answer = Replicate.encode_refusal(&Refusal::Invalid("input: prompt is required".into()));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            answer.body,
            json!({ "title": "Input validation failed", "detail": "- input: prompt is required\n", "status": 422 })
        );
    }
}
