//! What a client asks fal's models for: the body of a submission, whose fields are a model's own.

use domain::{Call, Callback, Draft, DraftInput, Failure, OutputSpec, Role, Vendor};

use super::ids;
use super::wire::{IMAGE_SIZE, NAME, VOICE, WEBHOOK};
use crate::fields::{Fields, within};
use crate::{PathParams, callback, inputs, web};

/// The names of the segments of a model's id in the paths of submissions.
const SEGMENTS: [&str; 4] = ["app", "a", "b", "c"];

/// The draft of a submission.
pub(super) fn decode(params: &PathParams, call: &Call) -> Result<Draft, Failure> {
    let id = SEGMENTS.map(|name| params.get(name)).join("/");
    let mut fields = Fields::parse(&call.body)?;
    Ok(Draft {
        model: Some(ids::public_model(id.trim_end_matches('/'))),
        prompt: decode_prompt(&mut fields)?,
        inputs: decode_inputs(&mut fields)?,
        output: decode_output(&mut fields)?,
        callback: decode_callback(&call.query)?,
        vendor: decode_vendor(fields)?,
        ..Draft::default()
    })
}

/// Models that speak call their words `text`.
fn decode_prompt(fields: &mut Fields<'_>) -> Result<String, Failure> {
    match fields.prose("prompt")? {
        Some(prompt) => Ok(prompt),
        None => Ok(fields.prose("text")?.unwrap_or_default()),
    }
}

/// The names are those of several models: Veo's frames, those of other makers of clips, the masks of image models.
fn decode_inputs(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let first = ["first_frame_url", "start_image_url"];
    let last = ["last_frame_url", "end_image_url", "tail_image_url"];
    let mut all = inputs::images(fields, &first, Some(Role::FirstFrame))?;
    all.extend(inputs::images(fields, &last, Some(Role::LastFrame))?);
    all.extend(inputs::images(fields, &["image_url", "image_urls"], None)?);
    all.extend(inputs::images(fields, &["reference_image_urls"], Some(Role::Reference))?);
    all.extend(inputs::images(fields, &["mask_url", "mask_image_url"], Some(Role::Mask))?);
    for name in ["video_url", "video_urls"] {
        all.extend(inputs::videos(fields, name)?);
    }
    for name in ["audio_url", "audio_urls"] {
        all.extend(inputs::sounds(fields, name)?);
    }
    Ok(all)
}

fn decode_output(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    Ok(OutputSpec {
        // `auto` is what every provider does when it is not told.
        aspect_ratio: fields.text("aspect_ratio")?.filter(|ratio| !ratio.eq_ignore_ascii_case("auto")),
        resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
        size: decode_size(fields)?,
        duration_s: fields.seconds("duration")?,
        seed: fields.whole("seed")?,
        enhance_prompt: fields.switch("enhance_prompt")?,
        count: fields.count("num_images")?,
        negative_prompt: fields.text("negative_prompt")?,
        audio: fields.switch("generate_audio")?,
        quality: fields.text("quality")?.map(|text| text.to_ascii_lowercase()),
        format: fields.format("output_format")?,
        // Of a few models it is an object, which has no meaning outside fal.
        voice: if fields.is_object(VOICE) { None } else { fields.text(VOICE)? },
        ..OutputSpec::default()
    })
}

/// `image_size`: a word of the model's own, or width and height in pixels.
fn decode_size(fields: &mut Fields<'_>) -> Result<Option<String>, Failure> {
    if !fields.is_object(IMAGE_SIZE) {
        return Ok(fields.text(IMAGE_SIZE)?.filter(|size| !size.eq_ignore_ascii_case("auto")));
    }
    let Some(mut size) = fields.object(IMAGE_SIZE)? else { return Ok(None) };
    let mut side = |name: &str| {
        let pixels = size.count(name).map_err(|failure| within(IMAGE_SIZE, failure))?;
        let name = format!("{IMAGE_SIZE}.{name}");
        pixels.ok_or_else(|| Failure::invalid(&*name, format!("{name}: required, in pixels")))
    };
    Ok(Some(format!("{}x{}", side("width")?, side("height")?)))
}

/// The client's own webhook, which the query brings.
fn decode_callback(query: &str) -> Result<Option<Callback>, Failure> {
    let url = web::query_value(query, WEBHOOK);
    if url.is_empty() { Ok(None) } else { callback::of_url(WEBHOOK, url).map(Some) }
}

fn decode_vendor(fields: Fields<'_>) -> Result<Option<Vendor>, Failure> {
    let fields = fields.rest()?;
    Ok((!fields.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields }))
}
