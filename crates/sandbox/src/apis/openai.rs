//! OpenAI's API as its documents have it: videos as tasks whose clip lies at `/content`; images and speech as the answer
//! to the request. Rules from <https://platform.openai.com/docs/api-reference>, its OpenAPI document and the types of
//! its Python client.
//!
//! A video also has a `url`, as that of most other hosts of this API. Deliberately absent: streams, thumbnails, the
//! order's own fields in the answer to a submit of a video; formats that cannot be rendered here come as PNG and WAV,
//! and say so.

mod images;
mod speech;
mod videos;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Answer, Api, Listed, Listing, Made, Place, Product, Refusal, Route, decode_percent, field, read_json,
    text_field,
};
use crate::form;
use crate::task::{Kind, Order, Progress, Task};

pub(super) struct OpenAi;

impl Api for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let is_post = method == Method::POST;
        match path {
            images::GENERATIONS | images::EDITS => is_post.then_some(Route::Generate(Kind::Image)),
            speech::PATH => is_post.then_some(Route::Generate(Kind::Audio)),
            _ => videos::route(method, path.strip_prefix("/v1/videos")?, query),
        }
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        form::read(content_type.unwrap_or_default(), body).unwrap_or_else(|| read_json(body))
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("The request body must be an object.".into()));
        }
        match kind {
            Kind::Video => videos::decode(body),
            Kind::Image => images::decode(place.path, body),
            Kind::Audio => speech::decode(body),
        }
    }

    fn decode_derived(&self, from: &Task, body: &Value) -> Result<Order, Refusal> {
        videos::decode_remix(from, body)
    }

    fn count(&self, body: &Value) -> u32 {
        images::count(body)
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        let body = json!({ "id": id, "object": "video", "status": "queued", "progress": 0, "error": null });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: videos::encode(task, progress, media_url) }
    }

    fn encode_result(&self, task: &Task, progress: Progress, made: &[Made], body: &Value) -> Product {
        match (progress, made) {
            (Progress::Succeeded, [first, ..]) if task.order.kind == Kind::Audio => {
                speech::encode(first, body)
            }
            (Progress::Succeeded, made) => Product::Answer(images::encode(task, made, body)),
            (Progress::Refused, _) => Product::Answer(blocked()),
            _ => Product::Answer(self.encode_refusal(&Refusal::Broken)),
        }
    }

    fn decode_list(&self, query: &str) -> Result<Listing, Refusal> {
        videos::decode_list(query)
    }

    fn encode_list(&self, listed: &[Listed], has_more: bool, _: &Place<'_>) -> Answer {
        videos::encode_list(listed, has_more)
    }

    fn encode_deleted(&self, task: &Task) -> Answer {
        let body = json!({ "id": task.id, "object": "video.deleted", "deleted": true });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, code, text) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, Some("invalid_api_key"), "Incorrect API key provided.")
            }
            Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, None, text.as_str()),
            Refusal::Invalid(text) => (StatusCode::BAD_REQUEST, Some("invalid_value"), text.as_str()),
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, Some("not_found"), "Video not found."),
            Refusal::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded"), "Rate limit reached.")
            }
            Refusal::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, Some("server_error"), "The server had an error.")
            }
        };
        let r#type = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        error(status, (r#type, code), text)
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("video_{random}")
    }
}

/// What a request is answered with whose result was not let through.
fn blocked() -> Answer {
    let text = "Your request was rejected as a result of our safety system.";
    error(StatusCode::BAD_REQUEST, ("image_generation_user_error", Some("moderation_blocked")), text)
}

fn error(status: StatusCode, (r#type, code): (&str, Option<&str>), text: &str) -> Answer {
    let error = json!({ "message": text, "type": r#type, "param": null, "code": code });
    Answer { status, body: json!({ "error": error }) }
}

/// The text that says what is wanted; it must not be empty.
fn prompt<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let prompt = text_field(body, name)?.filter(|prompt| !prompt.trim().is_empty());
    prompt.ok_or_else(|| Refusal::Invalid(format!("Missing required parameter: '{name}'.")))
}

/// A word out of a list.
fn one_of<'a>(body: &'a Value, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match text_field(body, name)? {
        Some(value) if !allowed.contains(&value) => Err(not_among(name, value, allowed)),
        value => Ok(value),
    }
}

fn not_among(name: &str, value: &str, allowed: &[&str]) -> Refusal {
    let allowed = allowed.join(", ");
    Refusal::Invalid(format!("Invalid value: '{value}'. Supported values of {name} are: {allowed}."))
}

/// A number within bounds; in a form it is a text.
fn number(body: &Value, name: &str, (least, most): (f64, f64)) -> Result<Option<f64>, Refusal> {
    let Some(value) = field(body, name) else { return Ok(None) };
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let number = number.filter(|number| (least..=most).contains(number));
    let text = || Refusal::Invalid(format!("Invalid value for {name}: expected {least} to {most}."));
    number.map(Some).ok_or_else(text)
}

/// Refuses a field that is not among the `known` ones, as the newer parts of the API do.
fn refuse_unknown(body: &Value, known: &[&str]) -> Result<(), Refusal> {
    let names = body.as_object().into_iter().flat_map(|fields| fields.keys());
    match names.into_iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::Invalid(format!("Unknown parameter: '{name}'."))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_routed() {
        let route = |method, path, query| OpenAi.route(&method, path, query);
        assert_eq!(route(Method::POST, "/v1/videos", ""), Some(Route::Submit(Kind::Video)));
        assert_eq!(route(Method::GET, "/v1/videos", "limit=1"), Some(Route::List(Kind::Video)));
        let poll = Route::Poll { id: "video_1:2".into(), kind: Some(Kind::Video) };
        assert_eq!(route(Method::GET, "/v1/videos/video_1%3A2", ""), Some(poll));
        let id = || "video_1".to_owned();
        assert_eq!(route(Method::DELETE, "/v1/videos/video_1", ""), Some(Route::Delete { id: id() }));
        let remix = Route::Derive { kind: Kind::Video, id: id() };
        assert_eq!(route(Method::POST, "/v1/videos/video_1/remix", ""), Some(remix));
        for query in ["", "variant=video"] {
            let content = Some(Route::Content { id: id() });
            assert_eq!(route(Method::GET, "/v1/videos/video_1/content", query), content);
        }
        for (path, kind) in
            [(images::GENERATIONS, Kind::Image), (images::EDITS, Kind::Image), (speech::PATH, Kind::Audio)]
        {
            assert_eq!(route(Method::POST, path, ""), Some(Route::Generate(kind)));
            assert_eq!(route(Method::GET, path, ""), None);
        }
        for (method, path, query) in [
            (Method::GET, "/v1/videos/", ""),
            (Method::POST, "/v1/videos/generations", ""),
            (Method::GET, "/v1/videos/video_1/content", "variant=thumbnail"),
            (Method::GET, "/v1/videos/video_1/remix", ""),
            (Method::POST, "/v1/images/variations", ""),
        ] {
            assert_eq!(route(method.clone(), path, query), None, "{method} {path}");
        }
    }

    #[test]
    fn a_result_is_given_or_refused_in_the_answer() {
        let order =
            images::decode(images::GENERATIONS, &json!({ "prompt": "a cat", "model": "gpt-image-1" }));
        let task = Task {
            id: "t".into(),
            api: "openai".into(),
            order: order.unwrap(),
            own_name: None,
            count: 1,
            made_from: None,
            accepted_at_ms: 0,
            fate: crate::faults::Fate::Fail,
            generation_ms: 0,
        };
        for (progress, status) in [(Progress::Failed, 500), (Progress::Refused, 400)] {
            let Product::Answer(answer) = OpenAi.encode_result(&task, progress, &[], &json!({})) else {
                panic!("a file of nothing");
            };
            assert_eq!(answer.status.as_u16(), status);
        }
    }
}
