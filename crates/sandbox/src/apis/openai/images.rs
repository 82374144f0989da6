//! Images: of a text as JSON, of images as a form or JSON. The answer holds them, or says where they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Answer, Kind, Made, Order, Refusal, Task, field, not_among, number, one_of, prompt, refuse_unknown,
    text_field,
};

pub(super) const GENERATIONS: &str = "/v1/images/generations";
pub(super) const EDITS: &str = "/v1/images/edits";

const GPT_MODELS: &[&str] = &[
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
];
const OLD_MODELS: &[&str] = &["dall-e-2", "dall-e-3"];

const IMAGES_MAX: usize = 16;
const COUNT_MAX: f64 = 10.0;
const SIZES: &[&str] = &["auto", "1024x1024", "1536x1024", "1024x1536"];
const SIZES_OF_DALL_E_2: &[&str] = &["256x256", "512x512", "1024x1024"];
const SIZES_OF_DALL_E_3: &[&str] = &["1024x1024", "1792x1024", "1024x1792"];
/// Where any size is possible: what both sides are multiples of, the longer side, the longer in shorter ones.
const STEP: u32 = 16;
const SIDE_MAX: u32 = 3840;
const RATIO_MAX: u32 = 3;

const KNOWN: &[&str] = &["prompt", "model", "n", "size", "quality", "user", "safety_identifier"];
const KNOWN_OF_GPT: &[&str] = &["background", "moderation", "output_format", "output_compression", "stream"];
const KNOWN_OF_OLD: &[&str] = &["response_format", "style"];
const KNOWN_OF_EDITS: &[&str] = &["image", "images", "mask", "input_fidelity"];

pub(super) fn decode(path: &str, body: &Value) -> Result<Order, Refusal> {
    let prompt = prompt(body, "prompt")?;
    let models = [GPT_MODELS, OLD_MODELS].concat();
    let model = one_of(body, "model", &models)?.unwrap_or("gpt-image-1.5");
    let is_old = OLD_MODELS.contains(&model);
    let of_model = if is_old { KNOWN_OF_OLD } else { KNOWN_OF_GPT };
    let of_path = if path == EDITS { KNOWN_OF_EDITS } else { &[] };
    refuse_unknown(body, &[KNOWN, of_model, of_path].concat())?;
    number(body, "n", (1.0, if model == "dall-e-3" { 1.0 } else { COUNT_MAX }))?;
    number(body, "output_compression", (0.0, 100.0))?;
    let qualities: &[&str] = if is_old { &["standard", "hd"] } else { &["low", "medium", "high", "auto"] };
    one_of(body, "quality", qualities)?;
    one_of(body, "background", &["transparent", "opaque", "auto"])?;
    one_of(body, "moderation", &["low", "auto"])?;
    one_of(body, "output_format", &["png", "jpeg", "webp"])?;
    one_of(body, "response_format", &["url", "b64_json"])?;
    if field(body, "stream").is_some_and(|stream| *stream != Value::Bool(false)) {
        return Err(Refusal::Invalid("Streams are not served here.".into()));
    }
    if path == EDITS {
        check_images(model, body)?;
    }
    let size = text_field(body, "size")?;
    check_size(model, size)?;
    Ok(Order {
        kind: Kind::Image,
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        aspect_ratio: None,
        size: size.filter(|size| *size != "auto").map(str::to_owned),
    })
}

fn check_size(model: &str, size: Option<&str>) -> Result<(), Refusal> {
    let Some(size) = size else { return Ok(()) };
    let allowed = match model {
        "dall-e-2" => SIZES_OF_DALL_E_2,
        "dall-e-3" => SIZES_OF_DALL_E_3,
        _ => SIZES,
    };
    if allowed.contains(&size) || model.starts_with("gpt-image-2") && is_any_size(size) {
        return Ok(());
    }
    Err(not_among("size", size, allowed))
}

fn is_any_size(size: &str) -> bool {
    let sides = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.is_some_and(|(width, height): (u32, u32)| {
        let (short, long) = (width.min(height), width.max(height));
        short > 0
            && width.is_multiple_of(STEP)
            && height.is_multiple_of(STEP)
            && long <= SIDE_MAX
            && long <= RATIO_MAX * short
    })
}

/// A form has files, one or a list; JSON has a list of references, for the newer models.
fn check_images(model: &str, body: &Value) -> Result<(), Refusal> {
    let images: Vec<&Value> = match (field(body, "image"), field(body, "images")) {
        (Some(Value::Array(images)), None) => images.iter().collect(),
        (Some(image), None) => vec![image],
        (None, Some(Value::Array(images))) if GPT_MODELS.contains(&model) => images.iter().collect(),
        _ => return Err(Refusal::Invalid("Missing required parameter: 'image'.".into())),
    };
    if images.is_empty() || images.len() > if model == "dall-e-2" { 1 } else { IMAGES_MAX } {
        return Err(Refusal::Invalid(format!("{} images are not possible with {model}.", images.len())));
    }
    images.into_iter().chain(field(body, "mask")).try_for_each(check_image)
}

fn check_image(image: &Value) -> Result<(), Refusal> {
    let is_url = |url: &str| ["https://", "data:image/"].iter().any(|start| url.starts_with(start));
    if image.get("image_url").and_then(Value::as_str).is_some_and(is_url) {
        return Ok(());
    }
    let media_type = image.get("type").and_then(Value::as_str).unwrap_or("application/octet-stream");
    match media_type {
        "image/png" | "image/jpeg" | "image/webp" if image["bytes"] != 0 => Ok(()),
        _ => Err(Refusal::Invalid(format!("Invalid file: unsupported mimetype ('{media_type}')."))),
    }
}

/// How many images an order is for.
pub(super) fn count(body: &Value) -> u32 {
    let count = number(body, "n", (1.0, COUNT_MAX)).ok().flatten();
    count.map_or(1, |count| count as u32)
}

/// Newer models give the images themselves; older ones say where they are, unless they shall not.
pub(super) fn encode(task: &Task, made: &[Made], body: &Value) -> Answer {
    let is_old = OLD_MODELS.contains(&task.order.model.as_str());
    let wants_url = is_old && body["response_format"] != "b64_json";
    let image = |made: &Made| match wants_url {
        true => json!({ "url": made.url, "revised_prompt": task.order.prompt }),
        false => json!({ "b64_json": STANDARD.encode(&made.file) }),
    };
    let mut body = json!({
        "created": task.finished_at_ms() / 1000,
        "data": made.iter().map(image).collect::<Vec<_>>(),
    });
    if !is_old {
        body["output_format"] = "png".into();
        body["background"] = "opaque".into();
        body["size"] = task.order.size.as_deref().unwrap_or("1024x1024").into();
        body["usage"] = json!({
            "input_tokens": 8, "input_tokens_details": { "text_tokens": 8, "image_tokens": 0 },
            "output_tokens": 272, "total_tokens": 280,
        });
    }
    Answer { status: StatusCode::OK, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(path: &str, extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "prompt": "a cat", "model": "gpt-image-1" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        super::decode(path, &body)
    }

    fn file(media_type: &str) -> Value {
        json!({ "filename": "a", "bytes": 4, "type": media_type })
    }

    #[test]
    fn documented_requests_are_read() {
        for extra in [
            json!({ "n": 10, "size": "auto", "quality": "high", "background": "transparent" }),
            json!({ "output_format": "webp", "output_compression": 50, "moderation": "low", "stream": false }),
            json!({ "model": "dall-e-3", "size": "1792x1024", "style": "vivid", "response_format": "url" }),
            json!({ "model": "gpt-image-2", "size": "2560x1440" }),
        ] {
            assert!(decode(GENERATIONS, &extra).is_ok(), "{extra}");
        }
        for extra in [
            json!({ "image": file("image/png"), "n": "2", "input_fidelity": "high" }),
            json!({ "image": [file("image/png"), file("image/webp")], "mask": file("image/png") }),
            json!({ "images": [{ "image_url": "https://example.com/a.png" }] }),
        ] {
            assert!(decode(EDITS, &extra).is_ok(), "{extra}");
        }
    }

    #[test]
    fn what_openai_does_not_take_is_refused() {
        for extra in [
            json!({ "prompt": "" }),
            json!({ "model": "nano-banana" }),
            json!({ "n": 11 }),
            json!({ "model": "dall-e-3", "n": 2 }),
            json!({ "size": "16:9" }),
            json!({ "size": "1536x864" }),
            json!({ "model": "gpt-image-2", "size": "1500x864" }),
            json!({ "model": "gpt-image-2", "size": "3200x800" }),
            json!({ "response_format": "url" }),
            json!({ "model": "dall-e-3", "output_format": "png" }),
            json!({ "seed": 7 }),
            json!({ "image": file("image/png") }),
            json!({ "stream": true }),
        ] {
            assert!(matches!(decode(GENERATIONS, &extra), Err(Refusal::Invalid(_))), "{extra}");
        }
        for extra in [
            json!({}),
            json!({ "image": file("image/gif") }),
            json!({ "image": { "filename": "a", "bytes": 4 } }),
            json!({ "image": [] }),
            json!({ "model": "dall-e-2", "image": [file("image/png"), file("image/png")] }),
            json!({ "image": file("image/png"), "mask": file("text/plain") }),
            json!({ "images": [{ "image_url": "cat.png" }] }),
        ] {
            assert!(matches!(decode(EDITS, &extra), Err(Refusal::Invalid(_))), "{extra}");
        }
    }
}
