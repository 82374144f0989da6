//! The Veo models of fal's queue as fal serves them: the model is in the path, the result stands apart from the status.
//! Rules from <https://fal.ai/docs/inference-api/queue>, `/documentation/model-apis/errors`, `/request-errors` and the
//! schemas at `https://fal.ai/models/{id}/llms.txt`.
//!
//! Deliberately absent: signatures of webhooks, streams of the status, the headers that steer the queue.

mod input;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use self::input::model_of;
use super::{Answer, Api, Place, Refusal, Route, decode_percent, key_behind, query_value, text_field};
use crate::task::{Kind, Order, Progress, Task};

const OWNER: &str = "/fal-ai/";

const POLICY: &str = "The content could not be processed because it was flagged by a content checker.";
const CANCELLED: &str = "The request was cancelled by the client";
const DISCONNECTED: &str = "Runner disconnected unexpectedly";

pub(super) struct Fal;

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
            Method::PUT => {
                let id = requests_of(rest)?.1.strip_suffix("/cancel")?;
                (!id.contains('/')).then(|| Route::Cancel { id: decode_percent(id) })
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
        input::check(body, model, way)?;
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: text_field(body, "aspect_ratio")?.map(str::to_owned),
            size: None,
        })
    }

    fn listener(&self, _: &Value, query: &str) -> Option<String> {
        query_value(query, "fal_webhook")
    }

    fn encode_told(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Value {
        let is_ok = progress == Progress::Succeeded;
        let mut body = json!({
            "request_id": task.id,
            "gateway_request_id": task.id,
            "status": if is_ok { "OK" } else { "ERROR" },
            "payload": result(task, progress, media_url).body,
        });
        if !is_ok {
            body["error"] = "Unexpected status code: 422".into();
        }
        body
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        let mut body = links(id, app_of(place.path), place.base_url);
        body["status"] = "IN_QUEUE".into();
        body["queue_position"] = 0.into();
        Answer { status: StatusCode::OK, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        let app = app_of(place.path);
        if !is_of_app(task, app) {
            return self.encode_refusal(&Refusal::UnknownTask);
        }
        if place.path.ends_with("/status") {
            return status(progress, links(&task.id, app, place.base_url));
        }
        result(task, progress, media_url)
    }

    fn encode_cancel(&self, task: &Task, in_time: bool, place: &Place<'_>) -> Answer {
        let (status, word) = match in_time {
            _ if !is_of_app(task, app_of(place.path)) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            true => (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
            false => (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
        };
        Answer { status, body: json!({ "status": word }) }
    }

    fn encode_stopped(&self, task: &Task, place: &Place<'_>) -> Answer {
        let app = app_of(place.path);
        if !is_of_app(task, app) {
            return self.encode_refusal(&Refusal::UnknownTask);
        }
        if !place.path.ends_with("/status") {
            let status = StatusCode::from_u16(499).expect("three digits");
            return Answer { status, body: json!({ "detail": CANCELLED, "error_type": "client_cancelled" }) };
        }
        let mut body = links(&task.id, app, place.base_url);
        body["status"] = "COMPLETED".into();
        body["logs"] = Value::Null;
        body["error"] = CANCELLED.into();
        body["error_type"] = "client_cancelled".into();
        Answer { status: StatusCode::OK, body }
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

/// The app, which is all that remains of a model in these paths, and what follows.
fn requests_of(rest: &str) -> Option<(&str, &str)> {
    rest.split_once("/requests/").filter(|(app, _)| !app.contains('/'))
}

fn app_of(path: &str) -> &str {
    path.strip_prefix(OWNER).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// A request exists below its own app alone.
fn is_of_app(task: &Task, app: &str) -> bool {
    task.order.model.split('/').next() == Some(app)
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let cancel = Some(Route::Cancel { id: "a".into() });
        assert_eq!(route(Method::PUT, "/fal-ai/veo3.1/requests/a/cancel"), cancel);
        assert_eq!(route(Method::PUT, "/fal-ai/veo3.1/requests/a"), None);
    }

    #[test]
    fn a_refusal_names_the_field() {
        let answer = Fal.encode_refusal(&Refusal::Invalid("duration: Input should be 8s".into()));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.body["detail"][0]["loc"], json!(["body", "duration"]));
        assert_eq!(answer.body["detail"][0]["msg"], "Input should be 8s");
    }
}
