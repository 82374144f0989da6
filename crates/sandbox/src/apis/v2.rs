//! The `/v2/{scope}/generations` contract as an upstream serves it. Any model name will do.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

pub(super) struct V2;

impl Api for V2 {
    fn name(&self) -> &'static str {
        "v2"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let (scope, rest) = path.strip_prefix("/v2/")?.split_once('/')?;
        let kind = match scope {
            "videos" => Kind::Video,
            "images" => Kind::Image,
            "audio" => Kind::Audio,
            _ => return None,
        };
        let id = rest.strip_prefix("generations/");
        match (method, rest, id) {
            (&Method::POST, "generations", _) => Some(Route::Submit(kind)),
            (&Method::GET, _, Some(id)) => Some(Route::Poll { id: decode_percent(id), kind: Some(kind) }),
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("the request body must be a JSON object".into()));
        }
        let text = |name| Ok(text_field(body, name)?.map(str::to_owned));
        let prompt = text("prompt")?.filter(|prompt| !prompt.trim().is_empty());
        Ok(Order {
            kind,
            model: text("model")?.ok_or_else(|| Refusal::Invalid("model is required".into()))?,
            prompt: prompt.ok_or_else(|| Refusal::Invalid("prompt is required".into()))?,
            aspect_ratio: text("aspect_ratio")?.or(text("ratio")?),
            size: text("size")?,
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "notify_hook")?.as_str().map(str::to_owned)
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: json!({ "task_id": id }) }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let (status, percent, reason) = match progress {
            Progress::Waiting => ("NOT_START", 0, ""),
            Progress::Running { percent } => ("IN_PROGRESS", percent, ""),
            Progress::Succeeded => ("SUCCESS", 100, ""),
            Progress::Failed => ("FAILURE", 100, "the generation failed"),
            Progress::Refused => ("FAILURE", 100, "the prompt was refused by the content policy"),
        };
        let seconds_if = |known: bool, ms: u64| if known { ms / 1000 } else { 0 };
        let has_started = progress != Progress::Waiting;
        let has_ended = has_started && !matches!(progress, Progress::Running { .. });
        let data = match progress {
            Progress::Succeeded => json!({ "output": media_url, "outputs": [media_url] }),
            _ => Value::Null,
        };
        let body = json!({
            "task_id": task.id,
            "platform": "sandbox",
            "action": task.order.model,
            "status": status,
            "fail_reason": reason,
            "submit_time": task.accepted_at_ms / 1000,
            "start_time": seconds_if(has_started, task.started_at_ms()),
            "finish_time": seconds_if(has_ended, task.finished_at_ms()),
            "progress": format!("{percent}%"),
            "data": data,
            "search_item": "",
        });
        Answer { status: StatusCode::OK, body }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, code, text) = match refusal {
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "invalid_api_key", "the key is missing or wrong")
            }
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                (StatusCode::BAD_REQUEST, "invalid_request", text.as_str())
            }
            Refusal::UnknownTask => (StatusCode::NOT_FOUND, "task_not_exist", "there is no such task"),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests"),
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error"),
        };
        Answer { status, body: json!({ "code": code, "message": text, "data": null }) }
    }

    /// With a colon, as some hosts of the contract do: a client that does not encode ids in paths must cope.
    fn encode_id(&self, kind: Kind, random: &str) -> String {
        let word = match kind {
            Kind::Video => "video",
            Kind::Image => "image",
            Kind::Audio => "audio",
        };
        format!("{word}:{random}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { base_url: "", path: "" };

    #[test]
    fn the_three_scopes_are_routed() {
        let route = |method, path| V2.route(&method, path, "");
        assert_eq!(route(Method::POST, "/v2/videos/generations"), Some(Route::Submit(Kind::Video)));
        assert_eq!(route(Method::POST, "/v2/images/generations"), Some(Route::Submit(Kind::Image)));
        let poll = Route::Poll { id: "audio:1".into(), kind: Some(Kind::Audio) };
        assert_eq!(route(Method::GET, "/v2/audio/generations/audio%3A1"), Some(poll));
        assert_eq!(route(Method::POST, "/v2/words/generations"), None);
        assert_eq!(route(Method::GET, "/v2/videos/generations"), None);
        assert_eq!(route(Method::DELETE, "/v2/videos/generations/1"), None);
    }

    #[test]
    fn any_model_will_do_but_a_prompt_is_needed() {
        let order = V2.decode(
            Kind::Image,
            &PLACE,
            &json!({ "model": "x", "prompt": "a", "ratio": "3:2", "size": "", "n": 1 }),
        );
        let order = order.unwrap();
        assert_eq!(
            (order.model.as_str(), order.aspect_ratio.as_deref(), order.size),
            ("x", Some("3:2"), None)
        );
        for body in [json!({ "model": "x" }), json!({ "prompt": "a" }), json!({ "model": 7, "prompt": "a" })]
        {
            assert!(matches!(V2.decode(Kind::Image, &PLACE, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        assert!(matches!(V2.decode(Kind::Image, &PLACE, &json!("a")), Err(Refusal::Malformed(_))));
    }
}
