//! Pictures: of a text as JSON, of other pictures as a form. The reply is the result.

use domain::{Call, Delivered, DraftMedia, GenerationRequest, MediaKind, OutputSpec, Role};
use serde_json::Value;

use super::super::size;
use super::super::wire::{COUNT_MAX, EDITS, IMAGES, ImageGeneration, Images, SIZE};
use super::body::{file, form, vendor_text, with_vendor};
use super::unsupported;
use crate::media::decode_media;
use crate::wishes::{Wish, refuse_all_but};
use crate::{Results, Unsupported, web};

/// The formats that some model makes.
const FORMATS: [&str; 5] = ["png", "jpeg", "webp", "gif", "svg"];

/// Of no meaning for a picture, and left out: a duration, sound, a voice.
pub(super) fn encode(request: &GenerationRequest, model: &str) -> Result<Call, Unsupported> {
    let known = [Wish::Several, Wish::Quality, Wish::Format, Wish::Mask];
    refuse_all_but(&known, request, "OpenAI's image API")?;
    let output = &request.output;
    if let Some(count) = output.count.filter(|count| *count > COUNT_MAX) {
        return Err(unsupported(
            "count",
            format!("{count}: OpenAI makes 1 to {COUNT_MAX} pictures at a time"),
        ));
    }
    let body = ImageGeneration {
        model,
        prompt: &request.prompt,
        n: output.count,
        size: pixels(request, model)?,
        quality: output.quality.as_deref(),
        output_format: format(output, model)?,
    };
    let fields = with_vendor(&body, request);
    if request.inputs.is_empty() {
        return Ok(Call::post_json(IMAGES, Value::Object(fields).to_string().into_bytes()));
    }
    let mut form = form(fields);
    let images = request.inputs.iter().filter(|input| input.role != Role::Mask).count();
    // A name that is there twice is refused; a list has a name of its own.
    let name = if images == 1 { "image" } else { "image[]" };
    for input in &request.inputs {
        let (asset, media_type) = file(input)?;
        match input.role {
            Role::Mask => form.file("mask", asset, media_type),
            Role::FirstFrame | Role::LastFrame | Role::Reference => form.file(name, asset, media_type),
            Role::Video | Role::Audio => {
                return Err(unsupported("videos", "OpenAI's images are made of images"));
            }
        }
    }
    Ok(form.post(EDITS))
}

/// The images in a reply: in it, or where they are; `None` if there are none.
pub(super) fn decode(body: &[u8]) -> Option<Results> {
    let images: Images = serde_json::from_slice(body).ok()?;
    let said = Some(images.output_format).filter(|format| !format.is_empty());
    let media_type = said.map(|format| format!("image/{format}")).unwrap_or_default();
    let inline = images.data.iter().filter_map(|image| match decode_media("b64_json", &image.b64_json) {
        Ok(DraftMedia::Inline(bytes)) => {
            Some(Delivered { kind: MediaKind::Image, media_type: media_type.clone(), bytes })
        }
        _ => None,
    });
    let inline: Vec<Delivered> = inline.collect();
    if !inline.is_empty() {
        return Some(Results::Delivered(inline));
    }
    let sources = web::sources(images.data.iter().map(|image| image.url.as_str()), MediaKind::Image);
    (!sources.is_empty()).then_some(Results::Kept(sources))
}

/// The client's own size, else the one of the shape and the resolution that it wants.
fn pixels(request: &GenerationRequest, model: &str) -> Result<Option<String>, Unsupported> {
    let OutputSpec { aspect_ratio, resolution, size, upsample, .. } = &request.output;
    if *upsample == Some(true) {
        return Err(unsupported("upsample", "OpenAI's images are not enlarged"));
    }
    let given = vendor_text(request, SIZE).or(size.as_deref());
    if let Some((width, height)) = given.and_then(size::parse) {
        return Ok(Some(format!("{width}x{height}")));
    }
    let undecided = |word: &str| word.eq_ignore_ascii_case("auto");
    match (given.filter(|word| !undecided(word)), aspect_ratio.as_deref(), resolution.as_deref()) {
        (Some(word), _, _) if !word.contains(':') => {
            Err(unsupported(SIZE, "OpenAI's images have a size in pixels, as 1024x1024"))
        }
        (None, None, None | Some("1k")) => Ok(None),
        (None, Some(ratio), None | Some("1k")) if undecided(ratio) => Ok(None),
        (None, None, Some(_)) => {
            Err(unsupported("resolution", "OpenAI's images have a size, which takes an aspect_ratio, too"))
        }
        (word, ratio, resolution) => {
            let ratio = word.or(ratio).unwrap_or_default();
            size::images::of(model, ratio, resolution).map(Some).ok_or_else(|| {
                let wanted = resolution.unwrap_or("the usual resolution");
                unsupported("aspect_ratio", format!("{model} makes no size that is {ratio} in {wanted}"))
            })
        }
    }
}

/// The older models make PNG, and have no field for it.
fn format<'a>(output: &'a OutputSpec, model: &str) -> Result<Option<&'a str>, Unsupported> {
    let Some(format) = output.format.as_deref() else { return Ok(None) };
    match model.starts_with("dall-e") {
        true if format == "png" => Ok(None),
        false if FORMATS.contains(&format) => Ok(Some(format)),
        _ => Err(unsupported("format", format!("{model} makes no {format}"))),
    }
}
