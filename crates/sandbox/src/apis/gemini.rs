//! Veo as the Gemini API serves it: a call that predicts starts an operation, and a clip is a file that wants the key.
//! Rules from <https://ai.google.dev/gemini-api/docs/video> and Google's Python client.
//!
//! Deliberately absent: the Files API but for downloads, going on from earlier clips, webhooks, other ways of the models.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::predict::{self, Rules};
use super::{Answer, Api, Place, Refusal, Route, decode_percent};
use crate::task::{Kind, Order, Progress, Task};

const RULES: Rules = Rules {
    models: &["veo-3.1-generate-preview", "veo-3.1-fast-generate-preview", "veo-3.1-lite-generate-preview"],
    instance: &["prompt", "image", "lastFrame", "referenceImages"],
    parameters: &[
        "aspectRatio",
        "durationSeconds",
        "enhancePrompt",
        "negativePrompt",
        "personGeneration",
        "resolution",
        "sampleCount",
    ],
};
const RESPONSE: &str = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse";

pub(super) struct Gemini;

impl Api for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let rest = path.strip_prefix("/v1beta/")?;
        if method == Method::POST {
            let model = rest.strip_prefix("models/")?.strip_suffix(":predictLongRunning")?;
            return (!model.contains('/')).then_some(Route::Submit(Kind::Video));
        }
        if let Some(file) = rest.strip_prefix("files/") {
            // Google's clients put a whole address here if it is not https, which Google's own always are.
            let file = file.rsplit('/').next()?;
            let name = file.strip_suffix(":download").filter(|_| query.starts_with("alt=media"))?;
            // The last digit is the number of the clip.
            let (id, nth) = name.split_at_checked(name.len().checked_sub(1)?)?;
            return Some(Route::File { id: id.to_owned(), nth: nth.parse().ok()? });
        }
        let (model, id) = rest.strip_prefix("models/")?.split_once("/operations/")?;
        let is_poll = method == Method::GET && !model.is_empty() && !id.contains('/');
        is_poll.then(|| Route::Poll { id: decode_percent(id), kind: Some(Kind::Video) })
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        predict::api_key_in(headers)
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        predict::decode(&RULES, kind, place, body)
    }

    fn count(&self, body: &Value) -> u32 {
        predict::count(body)
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        let model = predict::model_in(place.path).unwrap_or_default();
        Answer { status: StatusCode::OK, body: json!({ "name": format!("models/{model}/operations/{id}") }) }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, _: &str, place: &Place<'_>) -> Answer {
        let clip = |nth| {
            let uri = format!("{}/v1beta/files/{}{nth}:download?alt=media", place.base_url, task.id);
            json!({ "video": { "uri": uri } })
        };
        let samples: Vec<Value> = (0..task.count).map(clip).collect();
        let response = |inner: Value| json!({ "@type": RESPONSE, "generateVideoResponse": inner });
        let name = format!("models/{}/operations/{}", task.order.model, task.id);
        predict::operation(&name, progress, response(json!({ "generatedSamples": samples })), |reasons| {
            response(json!({ "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons }))
        })
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        match refusal {
            // What Google says of a wrong key is not a 401.
            Refusal::Unauthorized => {
                let mut answer = predict::error(
                    StatusCode::BAD_REQUEST,
                    "INVALID_ARGUMENT",
                    "API key not valid. Please pass a valid API key.",
                );
                answer.body["error"]["details"] = json!([{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }]);
                answer
            }
            other => predict::refusal(other),
        }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        random[..20].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_routed() {
        let route = |method, path: &str, query| Gemini.route(&method, path, query);
        let model = "/v1beta/models/veo-3.1-generate-preview";
        let submit = Some(Route::Submit(Kind::Video));
        assert_eq!(route(Method::POST, &format!("{model}:predictLongRunning"), ""), submit);
        let poll = Some(Route::Poll { id: "ab1".into(), kind: Some(Kind::Video) });
        assert_eq!(route(Method::GET, &format!("{model}/operations/ab1"), ""), poll);
        let file = Some(Route::File { id: "ab1".into(), nth: 3 });
        for name in ["ab13", "http://127.0.0.1/v1beta/files/ab13"] {
            assert_eq!(route(Method::GET, &format!("/v1beta/files/{name}:download"), "alt=media"), file);
        }
        for (method, path, query) in [
            (Method::POST, format!("{model}:generateContent"), ""),
            (Method::POST, format!("{model}/x:predictLongRunning"), ""),
            (Method::GET, model.to_owned(), ""),
            (Method::GET, "/v1beta/files/:download".to_owned(), "alt=media"),
            (Method::GET, "/v1beta/files/ab13:download".to_owned(), ""),
            (Method::GET, "/v1beta/files/ab13".to_owned(), "alt=media"),
            (Method::GET, "/v1/models".to_owned(), ""),
        ] {
            assert_eq!(route(method.clone(), &path, query), None, "{method} {path}");
        }
    }

    #[test]
    fn this_host_refuses_what_only_the_other_takes() {
        let place =
            Place { base_url: "", path: "/v1beta/models/veo-3.1-generate-preview:predictLongRunning" };
        for parameter in ["seed", "generateAudio", "storageUri"] {
            let body = json!({ "instances": [{ "prompt": "a" }], "parameters": { parameter: 1 } });
            assert!(matches!(Gemini.decode(Kind::Video, &place, &body), Err(Refusal::Invalid(_))), "{body}");
        }
    }
}
