//! What a client asks for: as JSON, or as a form with its files.

use domain::{Call, Callback, Draft, DraftInput, DraftMedia, Failure, OutputSpec, Role, Scope, Vendor};
use serde_json::Value;

use super::wire::{CALLBACKS, NAME, WEBHOOK};
use crate::fields::Fields;
use crate::multipart::{self, File, Form};
use crate::text::bounded;
use crate::{callback, inputs, web};

/// The fields that bring images; where two of them bring the same one, it counts once.
const IMAGE_FIELDS: [&str; 4] = ["images", "image", "image_url", "img_url"];
/// The field that brings a mask.
const MASK: &str = "mask";
/// Characters of a field's name that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// The draft in a call that makes something of `scope`.
pub(super) fn decode_draft(scope: Scope, call: &Call) -> Result<Draft, Failure> {
    if !multipart::is_form(&call.headers) {
        return decode_fields(scope, Fields::parse(&call.body)?, Vec::new(), &call.query);
    }
    let form = Form::parse(&call.headers, &call.body)?;
    let files = form.files.into_iter().map(decode_file).collect::<Result<_, _>>()?;
    let json = Value::Object(form.fields).to_string();
    decode_fields(scope, Fields::parse(json.as_bytes())?, files, &call.query)
}

fn decode_fields(
    scope: Scope,
    mut fields: Fields<'_>,
    files: Vec<DraftInput>,
    query: &str,
) -> Result<Draft, Failure> {
    let mut inputs = files;
    inputs.extend(inputs::images(&mut fields, &IMAGE_FIELDS, None)?);
    inputs.extend(inputs::images(&mut fields, &[MASK], Some(Role::Mask))?);
    inputs.extend(inputs::videos(&mut fields, "videos")?);
    Ok(Draft {
        scope: Some(scope),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: decode_output(scope, &mut fields)?,
        callback: decode_callback(&mut fields, query)?,
        vendor: Some(fields.rest()?)
            .filter(|rest| !rest.is_empty())
            .map(|fields| Vendor { api: NAME.to_owned(), fields }),
        ..Draft::default()
    })
}

fn decode_file(File { field, bytes, .. }: File) -> Result<DraftInput, Failure> {
    let is_mask = field == MASK;
    if !is_mask && !IMAGE_FIELDS.contains(&field.as_str()) {
        let shown = bounded(&field, SHOWN_CHARS_MAX);
        let text = format!("{shown}: a file found, allowed is one in image and mask only");
        return Err(Failure::invalid(shown, text));
    }
    if bytes.is_empty() {
        let text = format!("{field}: holds no bytes");
        return Err(Failure::invalid(field, text));
    }
    Ok(DraftInput { role: is_mask.then_some(Role::Mask), field, media: DraftMedia::Inline(bytes) })
}

fn decode_callback(fields: &mut Fields<'_>, query: &str) -> Result<Option<Callback>, Failure> {
    let mut found = None;
    for name in CALLBACKS {
        let callback = callback::decode(fields, name)?;
        found = found.or(callback);
    }
    match web::query_value(query, WEBHOOK) {
        url if found.is_none() && !url.is_empty() => callback::of_url(WEBHOOK, url).map(Some),
        _ => Ok(found),
    }
}

fn decode_output(scope: Scope, fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    // Some models of the contract know `ratio` only: it stays among the vendor fields, too.
    let ratio = fields.text_kept("ratio")?;
    let output = OutputSpec {
        aspect_ratio: fields.text("aspect_ratio")?.or(ratio),
        resolution: fields.text("resolution")?.map(|text| decode_resolution(&text)),
        size: fields.text("size")?,
        duration_s: fields.seconds("duration")?,
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        enhance_prompt: fields.switch("enhance_prompt")?,
        upsample: fields.switch("enable_upsample")?,
        watermark: fields.switch("watermark")?,
        negative_prompt: fields.text("negative_prompt")?,
        audio: fields.switch("generate_audio")?,
        ..OutputSpec::default()
    };
    if scope == Scope::Images { decode_picture(output, fields) } else { Ok(output) }
}

/// What only pictures have: some words mean other things with clips.
fn decode_picture(output: OutputSpec, fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    // The name that some models have for it, and the only one that they know: it stays among the vendor fields, too.
    let tier = fields.text_kept("image_size")?.map(|tier| tier.to_ascii_lowercase());
    Ok(OutputSpec {
        resolution: output.resolution.or(tier.filter(|tier| tier.ends_with('k'))),
        count: fields.count("n")?,
        quality: fields.text("quality")?,
        format: fields.format("output_format")?,
        ..output
    })
}

/// Lower case; the contract's own example spells 720p as `780P`.
fn decode_resolution(text: &str) -> String {
    match text.to_ascii_lowercase() {
        text if text == "780p" => "720p".to_owned(),
        text => text,
    }
}
