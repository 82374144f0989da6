//! kie.ai's jobs as kie serves them, for three picture models: each has fields of its own.
//! Rules from <https://docs.kie.ai/market/common/get-task-detail> and `/market/google/nano-banana`, `nano-banana-edit`,
//! `nanobanana2`, `pro-image-to-image`.

use serde_json::{Value, json};

use super::{POLICY, answer, invalid, is_web_url, one_of};
use crate::apis::{Answer, Refusal, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const ASPECT_RATIOS: &[&str] =
    &["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"];
const RESOLUTIONS: &[&str] = &["1K", "2K", "4K"];
const OUTPUT_FORMATS: &[&str] = &["png", "jpg", "jpeg"];

/// The longest prompt, the field for images, and how many it may hold.
type Rules = (usize, &'static str, std::ops::RangeInclusive<usize>);

fn rules_of(model: &str) -> Option<Rules> {
    match model {
        "google/nano-banana" => Some((5_000, "image_urls", 0..=0)),
        "google/nano-banana-edit" => Some((5_000, "image_urls", 1..=10)),
        "nano-banana-2" => Some((20_000, "image_input", 0..=14)),
        "nano-banana-pro" => Some((10_000, "image_input", 0..=8)),
        _ => None,
    }
}

/// Reads the body of `createTask`.
pub(super) fn decode(kind: Kind, body: &Value) -> Result<Order, Refusal> {
    let model = text_field(body, "model")?.ok_or_else(|| Refusal::Invalid("model is required".into()))?;
    let Some((prompt_max, images_field, images)) = rules_of(model) else {
        return invalid(&format!("The model {model} is not supported"));
    };
    if field(body, "callBackUrl").is_some_and(|url| !is_web_url(url)) {
        return invalid("callBackUrl must be an http or https URL");
    }
    let input = field(body, "input").filter(|input| input.is_object());
    let input = input.ok_or_else(|| Refusal::Invalid("input is required".into()))?;
    let prompt = text_field(input, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt.filter(|prompt| prompt.chars().count() <= prompt_max);
    let prompt = prompt.ok_or_else(|| Refusal::Invalid("prompt is missing or too long".into()))?;
    check_images(input, images_field, &images)?;
    let ratio = text_field(input, "aspect_ratio")?.or(text_field(input, "image_size")?);
    one_of("aspect_ratio", ratio.unwrap_or("1:1"), ASPECT_RATIOS)?;
    one_of("resolution", text_field(input, "resolution")?.unwrap_or("1K"), RESOLUTIONS)?;
    one_of("output_format", text_field(input, "output_format")?.unwrap_or("png"), OUTPUT_FORMATS)?;
    Ok(Order {
        kind,
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        aspect_ratio: ratio.map(str::to_owned),
        size: None,
    })
}

/// The answer to `recordInfo`.
pub(super) fn encode_progress(task: &Task, progress: Progress, media_url: &str) -> Answer {
    let (state, code, text) = match progress {
        Progress::Waiting => ("waiting", "", ""),
        Progress::Running { .. } => ("generating", "", ""),
        Progress::Succeeded => ("success", "", ""),
        Progress::Refused => ("fail", "400", POLICY),
        Progress::Failed => ("fail", "501", "Generation failed"),
    };
    let has_ended = matches!(state, "success" | "fail");
    let ended_at_ms = has_ended.then(|| task.finished_at_ms());
    let result = match state {
        "success" => json!({ "resultUrls": [media_url] }).to_string(),
        _ => String::new(),
    };
    let parameters = json!({ "model": task.order.model, "input": { "prompt": task.order.prompt } });
    let data = json!({
        "taskId": task.id,
        "model": task.order.model,
        "state": state,
        "param": parameters.to_string(),
        "resultJson": result,
        "failCode": code,
        "failMsg": text,
        "costTime": has_ended.then_some(task.generation_ms / 1000),
        "completeTime": ended_at_ms,
        "createTime": task.accepted_at_ms,
        "updateTime": ended_at_ms.unwrap_or(task.accepted_at_ms),
    });
    answer(200, "success", data)
}

/// What is told of a job that has ended: its record, and in the envelope how it ended.
pub(super) fn encode_told(task: &Task, progress: Progress, media_url: &str) -> Value {
    let mut told = encode_progress(task, progress, media_url).body;
    let (code, text) = match progress {
        Progress::Succeeded => (200, "Playground task completed successfully."),
        _ => (501, "Playground task failed."),
    };
    told["code"] = code.into();
    told["msg"] = text.into();
    told
}

fn check_images(input: &Value, name: &str, allowed: &std::ops::RangeInclusive<usize>) -> Result<(), Refusal> {
    let images = match field(input, name) {
        None => &[],
        Some(Value::Array(images)) => images.as_slice(),
        Some(_) => return invalid(&format!("{name} must be an array")),
    };
    if !images.iter().all(is_web_url) {
        return invalid(&format!("{name} must be http or https URLs"));
    }
    if !allowed.contains(&images.len()) {
        return invalid(&format!("{name} must hold {} to {} URLs", allowed.start(), allowed.end()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_input(model: &str, input: Value) -> Result<Order, Refusal> {
        decode(Kind::Image, &json!({ "model": model, "input": input }))
    }

    #[test]
    fn the_documented_requests_are_read() {
        let order = decode_input(
            "nano-banana-2",
            json!({
                "prompt": "Comic poster", "image_input": [], "google_search": true, "aspect_ratio": "auto",
                "resolution": "1K", "output_format": "png"
            }),
        );
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("auto"));
        let order = decode_input(
            "google/nano-banana-edit",
            json!({ "prompt": "a", "image_urls": ["https://example.com/a.png"], "image_size": "1:1" }),
        );
        assert_eq!(order.unwrap().aspect_ratio.as_deref(), Some("1:1"));
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let url = "https://example.com/a.png";
        for (model, input) in [
            ("veo3", json!({ "prompt": "a" })),
            ("google/nano-banana", json!({ "prompt": " " })),
            ("google/nano-banana", json!({ "prompt": "x".repeat(5_001) })),
            ("google/nano-banana", json!({ "prompt": "a", "image_urls": [url] })),
            ("google/nano-banana-edit", json!({ "prompt": "a" })),
            ("google/nano-banana-edit", json!({ "prompt": "a", "image_urls": ["data:image/png;base64,AA"] })),
            ("google/nano-banana-edit", json!({ "prompt": "a", "image_urls": url })),
            ("nano-banana-2", json!({ "prompt": "a", "image_input": vec![url; 15] })),
            ("nano-banana-2", json!({ "prompt": "a", "aspect_ratio": "7:3" })),
            ("nano-banana-2", json!({ "prompt": "a", "resolution": "1k" })),
            ("nano-banana-2", json!({ "prompt": "a", "output_format": "webp" })),
            ("nano-banana-2", json!("a")),
        ] {
            assert!(
                matches!(decode_input(model, input.clone()), Err(Refusal::Invalid(_))),
                "{model} {input}"
            );
        }
        let nowhere = json!({ "model": "nano-banana-2", "callBackUrl": "here", "input": { "prompt": "a" } });
        assert!(matches!(decode(Kind::Image, &nowhere), Err(Refusal::Invalid(_))));
    }
}
