//! The Veo models of Replicate as Replicate serves them: the model is in the path or is told by its version, and all
//! that it gets is in `input`. Rules from <https://replicate.com/docs/reference/http> and the schemas at
//! `https://replicate.com/google/{model}/api`.
//!
//! Deliberately absent: signatures of webhooks, files, waiting (`Prefer: wait`), all moments but that of creation.

mod input;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::input::{MODELS, UNKNOWN_VERSION, model_of_version};
use super::{Answer, Api, Listed, Listing, Place, Refusal, Route, decode_percent, field, query_value};
use crate::moment;
use crate::task::{Kind, Order, Progress, Task};

const PREDICTIONS: &str = "/v1/predictions";
/// Predictions in a list at most.
const PAGE: usize = 100;

const POLICY: &str =
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)";
const FAILED: &str = "Prediction failed due to an internal error. (E9828)";
pub(super) struct Replicate;

impl Api for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        match *method {
            Method::POST if path == PREDICTIONS => Some(Route::Submit(Kind::Video)),
            Method::POST if name_in(path).is_some() => Some(Route::Submit(Kind::Video)),
            Method::POST => {
                let id = path.strip_prefix(PREDICTIONS)?.strip_prefix('/')?.strip_suffix("/cancel")?;
                (!id.contains('/')).then(|| Route::Cancel { id: decode_percent(id) })
            }
            Method::GET if path == PREDICTIONS => Some(Route::List(Kind::Video)),
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
            return input::invalid("input: Invalid type. Expected: object");
        }
        let prompt = input::text(input, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Refusal::Invalid("input: prompt is required".into()))?;
        input::check(input, model)?;
        Ok(Order {
            kind,
            model: model.name.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: input::text(input, "aspect_ratio")?.map(str::to_owned),
            size: None,
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "webhook")?.as_str().map(str::to_owned)
    }

    fn decode_list(&self, query: &str) -> Result<Listing, Refusal> {
        let since_ms = match query_value(query, "created_after") {
            Some(text) => {
                moment::decode(&text).ok_or_else(|| Refusal::Invalid("created_after: Invalid date".into()))?
            }
            None => 0,
        };
        let after = query_value(query, "cursor");
        Ok(Listing { after, since_ms, skip: 0, limit: PAGE, ascending: false })
    }

    fn encode_list(&self, listed: &[Listed], has_more: bool, place: &Place<'_>) -> Answer {
        let one = |one: &Listed| self.encode_progress(&one.task, one.progress, &one.media_url, place).body;
        let next = listed
            .last()
            .filter(|_| has_more)
            .map(|last| format!("{}{PREDICTIONS}?cursor={}", place.base_url, last.task.id));
        let body =
            json!({ "previous": null, "next": next, "results": listed.iter().map(one).collect::<Vec<_>>() });
        Answer { status: StatusCode::OK, body }
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
        let mut body = prediction(task, place);
        body["status"] = status.into();
        body["error"] = error;
        if progress == Progress::Succeeded {
            body["output"] = media_url.into();
            body["metrics"] = json!({ "predict_time": task.generation_ms as f64 / 1000.0 });
        }
        Answer { status: StatusCode::OK, body }
    }

    /// The prediction as it is from then on; of one that had ended nothing but that it is not stopped.
    fn encode_cancel(&self, task: &Task, in_time: bool, place: &Place<'_>) -> Answer {
        if in_time {
            return self.encode_stopped(task, place);
        }
        let mut body = prediction(task, place);
        let succeeds = task.progress(u64::MAX) == Progress::Succeeded;
        body["status"] = if succeeds { "succeeded" } else { "failed" }.into();
        Answer { status: StatusCode::OK, body }
    }

    fn encode_stopped(&self, task: &Task, place: &Place<'_>) -> Answer {
        let mut body = prediction(task, place);
        body["status"] = "canceled".into();
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

/// What a prediction says whatever its status.
fn prediction(task: &Task, place: &Place<'_>) -> Value {
    json!({
        "id": task.id,
        "model": task.order.model,
        "version": "hidden",
        "input": { "prompt": task.order.prompt, "aspect_ratio": task.order.aspect_ratio },
        "logs": "",
        "output": null,
        "data_removed": false,
        "error": null,
        "source": "api",
        "created_at": moment::encode(task.accepted_at_ms),
        "metrics": {},
        "urls": urls(&task.id, place),
    })
}

/// `owner/name` in a path that has it.
fn name_in(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/v1/models/")?.strip_suffix("/predictions")?;
    let (owner, rest) = name.split_once('/')?;
    (!owner.is_empty() && !rest.is_empty() && !rest.contains('/')).then_some(name)
}

fn urls(id: &str, place: &Place<'_>) -> Value {
    let url = format!("{}{PREDICTIONS}/{id}", place.base_url);
    json!({ "cancel": format!("{url}/cancel"), "get": url })
}

#[cfg(test)]
mod tests {
    use super::input::invalid;
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
        let cancel = Some(Route::Cancel { id: "a b".into() });
        assert_eq!(route(Method::POST, "/v1/predictions/a%20b/cancel"), cancel);
        let poll = Some(Route::Poll { id: "a b".into(), kind: None });
        assert_eq!(route(Method::GET, "/v1/predictions/a%20b"), poll);
        assert_eq!(route(Method::GET, "/v1/predictions"), Some(Route::List(Kind::Video)));
        for (method, path) in [
            (Method::POST, "/v1/models/veo-3.1/predictions"),
            (Method::POST, "/v1/models/a/b/c/predictions"),
            (Method::POST, "/v1/predictions/a"),
            (Method::GET, "/v1/predictions/a/cancel"),
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
    fn a_refusal_says_its_status_and_the_field() {
        let answer = Replicate.encode_refusal(&Refusal::Invalid("input: prompt is required".into()));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            answer.body,
            json!({ "title": "Input validation failed", "detail": "- input: prompt is required\n", "status": 422 })
        );
    }
}
