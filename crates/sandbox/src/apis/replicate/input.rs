//! What Replicate's Veo models take: their names and versions, and the fields of `input`.

use serde_json::{Value, json};

use crate::apis::{Refusal, field};

pub(super) const UNKNOWN_VERSION: &str =
    "The specified version does not exist (or perhaps you don't have permission to use it?)";
const REFERENCES_MAX: usize = 3;

/// What a model takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) name: &'static str,
    /// A version of it; empty if none is known.
    version: &'static str,
    durations_s: &'static [u64],
    resolutions: &'static [&'static str],
    last_frame: bool,
    references: bool,
    /// Whether it makes sound, and takes a negative prompt.
    sound: bool,
}

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "google/veo-3.1",
        version: "ed5b1767b711dd15d954b162af1e890d27882680f463a85e94f02d604012b972",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: true,
        references: true,
        sound: true,
    },
    Model {
        name: "google/veo-3.1-fast",
        version: "",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: true,
        references: false,
        sound: true,
    },
    Model {
        name: "google/veo-3",
        version: "",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: false,
        references: false,
        sound: true,
    },
    Model {
        name: "google/veo-3-fast",
        version: "368d4063e21ecf73746b8e6d27989837d97ba07b5eca43a4e5488c852e10c2ec",
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: false,
        references: false,
        sound: true,
    },
    Model {
        name: "google/veo-2",
        version: "0546b4e90d4f215c7fc42c9b8d815df3a7b6e47a754ee94ddb62b3f667fea9a5",
        durations_s: &[5, 6, 7, 8],
        resolutions: &[],
        last_frame: false,
        references: false,
        sound: false,
    },
];

/// The model of `version`: a version alone, `owner/name:version`, or `owner/name` for an official model.
pub(super) fn model_of_version(body: &Value) -> Result<&'static Model, Refusal> {
    let version = body.get("version").ok_or_else(|| Refusal::Invalid("version is required".into()))?;
    let version = version.as_str().unwrap_or_default();
    let known = |model: &&Model| match version.split_once(':') {
        Some((name, version)) => model.name == name && model.version == version,
        None => model.name == version || (!version.is_empty() && model.version == version),
    };
    MODELS.iter().find(known).ok_or_else(|| Refusal::Invalid(UNKNOWN_VERSION.into()))
}

/// Refuses what the model would refuse.
pub(super) fn check(input: &Value, model: &Model) -> Result<(), Refusal> {
    check_images(input, model)?;
    check_output(input, model)
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
    if !model.sound && ["generate_audio", "negative_prompt"].iter().any(|name| field(input, name).is_some()) {
        return invalid("input: generate_audio and negative_prompt are of the newer models");
    }
    if field(input, "generate_audio").is_some_and(|value| !value.is_boolean()) {
        return invalid("input.generate_audio: Invalid type. Expected: boolean");
    }
    if field(input, "seed").is_some_and(|seed| !seed.is_i64() && !seed.is_u64()) {
        return invalid("input.seed: Invalid type. Expected: integer");
    }
    Ok(())
}

/// The value of a text field, or why it is not one.
pub(super) fn text<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>, Refusal> {
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

/// A refusal that says so.
pub(super) fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::{PREDICTIONS, Replicate};
    use super::*;
    use crate::apis::{Api, Place};
    use crate::task::{Kind, Order};

    fn decode(path: &str, body: &Value) -> Result<Order, Refusal> {
        Replicate.decode(Kind::Video, &Place { base_url: "", path }, body)
    }

    fn by_name(name: &str, input: &Value) -> Result<Order, Refusal> {
        decode(&format!("/v1/models/google/{name}/predictions"), &json!({ "input": input }))
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
            ("veo-2", json!({ "prompt": "a", "generate_audio": false })),
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
}
