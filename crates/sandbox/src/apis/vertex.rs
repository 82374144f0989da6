//! Veo as Vertex AI serves it: a call that predicts starts an operation, a second one asks for it by its name, and a clip
//! comes in that answer. Rules from
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation> and Google's Python client.
//!
//! Deliberately absent: buckets, other ways of the models, whether a token is signed by whom it says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::predict::{self, Rules};
use super::{Answer, Api, Made, Place, Refusal, Route, key_behind, text_field};
use crate::task::{Kind, Order, Progress, Task};

const RULES: Rules = Rules {
    models: &["veo-3.1-generate-001", "veo-3.1-fast-generate-001", "veo-3.1-lite-generate-001"],
    instance: &["prompt", "image", "lastFrame", "referenceImages", "video", "mask"],
    parameters: &[
        "aspectRatio",
        "compressionQuality",
        "durationSeconds",
        "enhancePrompt",
        "generateAudio",
        "negativePrompt",
        "personGeneration",
        "resizeMode",
        "resolution",
        "sampleCount",
        "seed",
    ],
};
const RESPONSE: &str = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse";

pub(super) struct Vertex;

impl Api for Vertex {
    fn name(&self) -> &'static str {
        "vertex"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let (place, model) = path.split_once("/publishers/google/models/")?;
        let version = ["/v1beta1", "/v1"].iter().find_map(|version| place.strip_prefix(version));
        // Without a version and a place it is the account of somebody who knows the name of the API alone.
        let parts: Vec<&str> = version.unwrap_or(place).split('/').collect();
        let is_place = matches!(parts[..], [""] | ["", "projects", _, "locations", _]);
        if method != Method::POST || !is_place {
            return None;
        }
        match model.split_once(':')? {
            (_, "predictLongRunning") => Some(Route::Submit(Kind::Video)),
            (_, "fetchPredictOperation") => Some(Route::Ask(Kind::Video)),
            _ => None,
        }
    }

    fn key_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        key_behind("Bearer ", headers).or_else(|| predict::api_key_in(headers))
    }

    fn decode(&self, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        predict::decode(&RULES, kind, place, body)
    }

    fn count(&self, body: &Value) -> u32 {
        predict::count(body)
    }

    fn decode_ask(&self, body: &Value) -> Result<String, Refusal> {
        let name = text_field(body, "operationName")?.unwrap_or_default();
        let id = name.rsplit_once("/operations/").map(|(_, id)| id.to_owned());
        id.ok_or_else(|| Refusal::Invalid("operationName is not the name of an operation.".into()))
    }

    fn encode_accepted(&self, id: &str, place: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: json!({ "name": name(id, place) }) }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, _: &str, place: &Place<'_>) -> Answer {
        predict::operation(
            &name(&task.id, place),
            progress,
            Value::Null,
            |reasons| json!({ "@type": RESPONSE, "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons }),
        )
    }

    fn delivers(&self) -> bool {
        true
    }

    fn encode_made(&self, task: &Task, made: &[Made], place: &Place<'_>) -> Answer {
        let clip = |made: &Made| json!({ "bytesBase64Encoded": STANDARD.encode(&made.file), "mimeType": "video/mp4" });
        let videos: Vec<Value> = made.iter().map(clip).collect();
        let response = json!({ "@type": RESPONSE, "raiMediaFilteredCount": 0, "videos": videos });
        let name = name(&task.id, place);
        predict::operation(&name, Progress::Succeeded, response, |_| Value::Null)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        predict::refusal(refusal)
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("{}-{}", &random[..8], &random[8..20])
    }
}

/// The name of an operation: it begins with what the path says.
fn name(id: &str, place: &Place<'_>) -> String {
    let model = place.path.split(':').next().unwrap_or_default();
    let model = model.trim_start_matches("/v1beta1").trim_start_matches("/v1").trim_start_matches('/');
    format!("{model}/operations/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_routed() {
        let route = |path: &str| Vertex.route(&Method::POST, path, "");
        for start in
            ["/v1/projects/p/locations/us-central1", "/v1", "/v1beta1", "/v1beta1/projects/p/locations/l"]
        {
            let model = format!("{start}/publishers/google/models/veo-3.1-generate-001");
            assert_eq!(route(&format!("{model}:predictLongRunning")), Some(Route::Submit(Kind::Video)));
            assert_eq!(route(&format!("{model}:fetchPredictOperation")), Some(Route::Ask(Kind::Video)));
            assert_eq!(route(&format!("{model}:predict")), None);
            assert_eq!(Vertex.route(&Method::GET, &format!("{model}:predictLongRunning"), ""), None);
        }
        assert_eq!(route("/v1/projects/p/publishers/google/models/veo:predictLongRunning"), None);
        assert_eq!(route("/v2/publishers/google/models/veo:predictLongRunning"), None);
    }

    #[test]
    fn an_operation_is_asked_for_by_its_name() {
        let place = Place { base_url: "", path: "/v1/projects/p/locations/l/publishers/google/models/veo:x" };
        let accepted = Vertex.encode_accepted("ab-1", &place);
        let asked = json!({ "operationName": accepted.body["name"] });
        assert_eq!(
            asked["operationName"],
            "projects/p/locations/l/publishers/google/models/veo/operations/ab-1"
        );
        assert_eq!(Vertex.decode_ask(&asked).as_deref(), Ok("ab-1"));
        for wrong in [json!({}), json!({ "operationName": "ab-1" }), json!({ "operationName": 7 })] {
            assert!(Vertex.decode_ask(&wrong).is_err(), "{wrong}");
        }
    }
}
