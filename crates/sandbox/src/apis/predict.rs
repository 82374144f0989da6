//! What Google's two hosts of Veo have in common: the body of a call that predicts, operations, errors. Rules from
//! Google's documents of both and the converters of its Python client.

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Place, Refusal, field, text_field};
use crate::task::{Kind, Order, Progress};

const ASPECT_RATIOS: &[&str] = &["16:9", "9:16"];
const RESOLUTIONS: &[&str] = &["720p", "1080p", "4k"];
const REFERENCE_TYPES: &[&str] = &["asset", "style"];
const IMAGE_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp"];
const DURATIONS_S: &[u64] = &[4, 6, 8];
const REFERENCES_MAX: usize = 3;
const COUNT_MAX: u64 = 4;

/// Where the hosts differ.
pub(super) struct Rules {
    pub(super) models: &'static [&'static str],
    /// The fields of an instance.
    pub(super) instance: &'static [&'static str],
    pub(super) parameters: &'static [&'static str],
}

/// The model in a path.
pub(super) fn model_in(path: &str) -> Option<&str> {
    let (_, rest) = path.rsplit_once("/models/")?;
    rest.split(':').next()
}

/// The key in the header that Google has for it.
pub(super) fn api_key_in(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-goog-api-key")?.to_str().ok()
}

/// Reads a submit.
pub(super) fn decode(rules: &Rules, kind: Kind, place: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
    let model = model_in(place.path).unwrap_or_default();
    if !rules.models.contains(&model) {
        return Err(Refusal::UnknownTask);
    }
    let instance = match body["instances"].as_array().map(Vec::as_slice) {
        Some([instance]) if instance.is_object() => instance,
        _ => return invalid("Exactly one instance is expected."),
    };
    only(instance, rules.instance)?;
    let prompt = text_field(instance, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt.ok_or_else(|| Refusal::Invalid("The prompt is required.".into()))?;
    check_media(instance)?;
    let nothing = json!({});
    let parameters = field(body, "parameters").unwrap_or(&nothing);
    only(parameters, rules.parameters)?;
    check_parameters(parameters)?;
    Ok(Order {
        kind,
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        aspect_ratio: text_field(parameters, "aspectRatio")?.map(str::to_owned),
        size: None,
    })
}

/// How many clips a submit wants.
pub(super) fn count(body: &Value) -> u32 {
    let count = body["parameters"]["sampleCount"].as_u64().unwrap_or(1);
    u32::try_from(count).unwrap_or(1)
}

/// How an operation stands. `response` is that of a success; `filtered` makes one of the reasons why there is no clip.
pub(super) fn operation(
    name: &str,
    progress: Progress,
    response: Value,
    filtered: impl FnOnce([&str; 1]) -> Value,
) -> Answer {
    let body = match progress {
        Progress::Waiting | Progress::Running { .. } => json!({ "name": name }),
        Progress::Succeeded => json!({ "name": name, "done": true, "response": response }),
        Progress::Failed => json!({
            "name": name,
            "done": true,
            "error": { "code": 13, "message": "Video generation failed due to an internal server issue." },
        }),
        Progress::Refused => {
            let reason = "Your prompt may contain words that violate our usage guidelines.";
            json!({ "name": name, "done": true, "response": filtered([reason]) })
        }
    };
    Answer { status: StatusCode::OK, body }
}

/// An error.
pub(super) fn error(status: StatusCode, word: &str, message: &str) -> Answer {
    let error = json!({ "code": status.as_u16(), "message": message, "status": word });
    Answer { status, body: json!({ "error": error }) }
}

/// A refusal, as both hosts put it.
pub(super) fn refusal(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Unauthorized => error(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ),
        Refusal::Malformed(text) | Refusal::Invalid(text) => {
            error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", text)
        }
        Refusal::UnknownTask => error(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found."),
        Refusal::TooMany => {
            error(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "Resource has been exhausted.")
        }
        Refusal::Broken => {
            error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Internal error encountered.")
        }
    }
}

fn check_media(instance: &Value) -> Result<(), Refusal> {
    for name in ["image", "lastFrame"] {
        field(instance, name).map(check_image).transpose()?;
    }
    if field(instance, "lastFrame").is_some() && field(instance, "image").is_none() {
        return invalid("lastFrame needs an image.");
    }
    if let Some(video) = field(instance, "video") {
        check_bytes(video)?;
    }
    if let Some(mask) = field(instance, "mask") {
        check_image(mask)?;
        field(instance, "video").ok_or_else(|| Refusal::Invalid("mask needs a video.".into()))?;
    }
    let Some(references) = field(instance, "referenceImages") else { return Ok(()) };
    let references = references.as_array().map(Vec::as_slice).unwrap_or_default();
    if references.is_empty() || references.len() > REFERENCES_MAX {
        return invalid("referenceImages must hold 1 to 3 images.");
    }
    if field(instance, "image").is_some() {
        return invalid("image and referenceImages do not go together.");
    }
    for reference in references {
        check_image(&reference["image"])?;
        let kind = text_field(reference, "referenceType")?.unwrap_or_default();
        one_of("referenceType", kind, REFERENCE_TYPES)?;
    }
    Ok(())
}

/// An image is in the body: neither host fetches one from the web.
fn check_image(image: &Value) -> Result<(), Refusal> {
    one_of("mimeType", text_field(image, "mimeType")?.unwrap_or_default(), IMAGE_TYPES)?;
    check_bytes(image)
}

fn check_bytes(file: &Value) -> Result<(), Refusal> {
    let bytes = text_field(file, "bytesBase64Encoded")?.unwrap_or_default();
    let is_base64 = bytes.len().is_multiple_of(4)
        && bytes.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    if bytes.is_empty() || !is_base64 {
        return invalid("bytesBase64Encoded must hold a file in base64.");
    }
    Ok(())
}

fn check_parameters(parameters: &Value) -> Result<(), Refusal> {
    for (name, allowed) in [("aspectRatio", ASPECT_RATIOS), ("resolution", RESOLUTIONS)] {
        if let Some(value) = text_field(parameters, name)? {
            one_of(name, value, allowed)?;
        }
    }
    let is_one = |value: &Value, allowed: &dyn Fn(u64) -> bool| value.as_u64().is_some_and(allowed);
    if field(parameters, "durationSeconds").is_some_and(|s| !is_one(s, &|s| DURATIONS_S.contains(&s))) {
        return invalid("durationSeconds must be 4, 6 or 8.");
    }
    if field(parameters, "sampleCount").is_some_and(|n| !is_one(n, &|n| (1..=COUNT_MAX).contains(&n))) {
        return invalid("sampleCount must be between 1 and 4.");
    }
    if field(parameters, "seed").is_some_and(|seed| !is_one(seed, &|seed| u32::try_from(seed).is_ok())) {
        return invalid("seed must be an unsigned number of 32 bits.");
    }
    // Veo 3 always rewrites the prompt.
    if field(parameters, "enhancePrompt").is_some_and(|value| value != true) {
        return invalid("enhancePrompt cannot be turned off.");
    }
    if field(parameters, "generateAudio").is_some_and(|value| !value.is_boolean()) {
        return invalid("generateAudio must be a boolean.");
    }
    text_field(parameters, "negativePrompt").map(|_| ())
}

/// Google refuses fields that it does not know.
fn only(object: &Value, known: &[&str]) -> Result<(), Refusal> {
    let Some(fields) = object.as_object() else { return invalid("An object is expected.") };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => invalid(&format!("`{name}` isn't supported by this model.")),
        None => Ok(()),
    }
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    invalid(&format!("{name} \"{value}\" is not supported, use one of {}.", allowed.join(", ")))
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        models: &["veo"],
        instance: &["prompt", "image", "lastFrame", "referenceImages", "video", "mask"],
        parameters: &[
            "aspectRatio",
            "durationSeconds",
            "enhancePrompt",
            "generateAudio",
            "negativePrompt",
            "resolution",
            "sampleCount",
            "seed",
        ],
    };

    fn read(path: &str, body: &Value) -> Result<Order, Refusal> {
        decode(&RULES, Kind::Video, &Place { base_url: "", path }, body)
    }

    fn instance(extra: &Value) -> Result<Order, Refusal> {
        let mut instance = json!({ "prompt": "a cat" });
        instance.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        read("/models/veo:predictLongRunning", &json!({ "instances": [instance] }))
    }

    fn parameters(parameters: &Value) -> Result<Order, Refusal> {
        let body = json!({ "instances": [{ "prompt": "a cat" }], "parameters": parameters });
        read("/models/veo:predictLongRunning", &body)
    }

    #[test]
    fn documented_requests_are_read() {
        let image = json!({ "bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png" });
        let reference = json!({ "image": image, "referenceType": "asset" });
        let video = json!({ "bytesBase64Encoded": "AAAA", "mimeType": "video/mp4" });
        for extra in [
            json!({}),
            json!({ "image": image }),
            json!({ "image": image, "lastFrame": image }),
            json!({ "referenceImages": [reference, reference, reference] }),
            json!({ "video": video, "mask": image }),
        ] {
            assert!(instance(&extra).is_ok(), "{extra}");
        }
        let order = parameters(&json!({
            "aspectRatio": "9:16", "durationSeconds": 6, "enhancePrompt": true, "generateAudio": false,
            "negativePrompt": "rain", "resolution": "4k", "sampleCount": 4, "seed": 4_294_967_295_u64,
        }));
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("9:16"));
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let image = json!({ "bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png" });
        let reference = json!({ "image": image, "referenceType": "asset" });
        for extra in [
            json!({ "prompt": " " }),
            json!({ "image": "iVBORw0KGgo=" }),
            json!({ "image": { "bytesBase64Encoded": "", "mimeType": "image/png" } }),
            json!({ "image": { "bytesBase64Encoded": "https://example.com/a.png", "mimeType": "image/png" } }),
            json!({ "image": { "bytesBase64Encoded": "AAAA" } }),
            json!({ "image": { "bytesBase64Encoded": "AAAA", "mimeType": "image/gif" } }),
            json!({ "lastFrame": image }),
            json!({ "mask": image }),
            json!({ "referenceImages": [] }),
            json!({ "referenceImages": [{ "image": image }] }),
            json!({ "referenceImages": [reference, reference, reference, reference] }),
            json!({ "image": image, "referenceImages": [reference] }),
            json!({ "style": "noir" }),
        ] {
            assert!(matches!(instance(&extra), Err(Refusal::Invalid(_))), "{extra}");
        }
        for wrong in [
            json!([]),
            json!({ "aspectRatio": "1:1" }),
            json!({ "resolution": "480p" }),
            json!({ "durationSeconds": 5 }),
            json!({ "durationSeconds": "8" }),
            json!({ "sampleCount": 0 }),
            json!({ "seed": 4_294_967_296_u64 }),
            json!({ "enhancePrompt": false }),
            json!({ "generateAudio": "yes" }),
            json!({ "negativePrompt": 7 }),
            json!({ "fps": 24 }),
        ] {
            assert!(matches!(parameters(&wrong), Err(Refusal::Invalid(_))), "{wrong}");
        }
        let path = "/models/veo:predictLongRunning";
        for body in [json!({}), json!({ "instances": [] }), json!({ "instances": [{}, {}] })] {
            assert!(matches!(read(path, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        let unknown = read("/models/omni:predictLongRunning", &json!({ "instances": [{ "prompt": "a" }] }));
        assert_eq!(unknown, Err(Refusal::UnknownTask));
    }
}
