//! What fal's Veo models take: their ids, and the fields of each.

use serde_json::Value;

use crate::apis::{Refusal, field, text_field};

const MODELS: &[&str] = &["veo3", "veo3/fast", "veo3.1", "veo3.1/fast", "veo3.1/lite"];
const REFERENCES_MAX: usize = 3;

/// What goes in besides words; the last part of a model's id says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Text,
    Image,
    Frames,
    References,
}

/// The model behind the owner, and what goes in.
pub(super) fn model_of(rest: &str) -> Option<(&str, Way)> {
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

/// Refuses what the model would refuse.
pub(super) fn check(body: &Value, model: &str, way: Way) -> Result<(), Refusal> {
    check_images(body, way)?;
    check_output(body, model, way)?;
    check_extras(body)
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
    use serde_json::json;

    use super::super::Fal;
    use super::*;
    use crate::apis::{Api, Place};
    use crate::task::{Kind, Order};

    fn decode(model: &str, body: &Value) -> Result<Order, Refusal> {
        let path = format!("/fal-ai/{model}");
        Fal.decode(Kind::Video, &Place { base_url: "", path: &path }, body)
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
}
