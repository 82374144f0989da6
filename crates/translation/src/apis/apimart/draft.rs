//! A submission as clients write it.

use domain::{Derivation, Draft, DraftBasis, DraftInput, Failure, OutputSpec, Role, Scope, TaskId, Vendor};

use super::wire::{CALLBACK, FRAME, NAME, REFERENCE};
use crate::fields::Fields;
use crate::media::decode_media;
use crate::{callback, inputs};

/// The fields that bring images; all but the first are others' names that clients send here, too.
const IMAGE_FIELDS: [&str; 4] = ["image_urls", "images", "image", "image_url"];

/// The draft in the body of a submission for `scope`.
pub(super) fn decode_draft(scope: Scope, body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    Ok(Draft {
        scope: Some(scope),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs: decode_inputs(&mut fields)?,
        output: decode_output(scope, &mut fields)?,
        // Not in the documents; some clients send it all the same.
        callback: callback::decode(&mut fields, CALLBACK)?,
        vendor: Some(fields.rest()?)
            .filter(|rest| !rest.is_empty())
            .map(|fields| Vendor { api: NAME.to_owned(), fields }),
        ..Draft::default()
    })
}

/// The draft in the body of a remix of an earlier clip.
pub(super) fn decode_remix(task: TaskId, body: &[u8]) -> Result<Draft, Failure> {
    let basis = Some(DraftBasis { task, index: 0, derivation: Derivation::Remix });
    Ok(Draft { basis, ..decode_draft(Scope::Videos, body)? })
}

/// Whether a body has a field that only APIMart's clients send on a path that several APIs claim.
pub(super) fn is_typical(body: &[u8]) -> bool {
    let Ok(mut fields) = Fields::parse(body) else { return false };
    let mode = fields.text("generation_type").ok().flatten();
    mode.is_some_and(|mode| [FRAME, REFERENCE].contains(&mode.as_str()))
        || ["image_with_roles", "first_frame_image", "last_frame_image"].iter().any(|name| fields.has(name))
}

/// Whether the body of a remix is for APIMart: another API's has no model.
pub(super) fn is_typical_remix(body: &[u8]) -> bool {
    Fields::parse(body).is_ok_and(|fields| fields.has("model"))
}

fn decode_output(scope: Scope, fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let size = decided(fields.text("size")?);
    let (ratio, size) = match size {
        Some(ratio) if ratio.contains(':') => (Some(ratio), None),
        // Pixels, or a word of the model's own.
        size => (None, size),
    };
    let resolution = fields.text("resolution")?;
    Ok(OutputSpec {
        aspect_ratio: decided(fields.text("aspect_ratio")?).or(ratio),
        resolution: resolution.map(|text| text.to_ascii_lowercase()),
        size,
        duration_s: if scope == Scope::Images { None } else { fields.seconds("duration")? },
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        watermark: fields.switch("watermark")?,
        count: if scope == Scope::Images { fields.count("n")? } else { None },
        negative_prompt: fields.text("negative_prompt")?,
        audio: fields.switch("generate_audio")?,
        ..OutputSpec::default()
    })
}

/// `auto` leaves it to the model, as saying nothing does.
fn decided(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.eq_ignore_ascii_case("auto"))
}

/// Images come by list, by list with roles, or by fields of their own, whatever the model wants.
fn decode_inputs(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let mode = fields.text_kept("generation_type")?;
    let role = mode.filter(|mode| mode.eq_ignore_ascii_case(REFERENCE)).map(|_| Role::Reference);
    let mut inputs = inputs::images(fields, &IMAGE_FIELDS, role)?;
    inputs.extend(inputs::images(fields, &["first_frame_image"], Some(Role::FirstFrame))?);
    inputs.extend(inputs::images(fields, &["last_frame_image"], Some(Role::LastFrame))?);
    for (field, mut image) in fields.objects("image_with_roles")? {
        inputs.extend(decode_image_with_role(&field, &mut image)?);
    }
    inputs.extend(inputs::videos(fields, "video_urls")?);
    inputs.extend(inputs::sounds(fields, "audio_urls")?);
    Ok(inputs)
}

/// An image without a role is left to the model, one without a URL is none.
fn decode_image_with_role(field: &str, image: &mut Fields<'_>) -> Result<Option<DraftInput>, Failure> {
    let role = match image.text("role")?.as_deref() {
        None => None,
        Some("first_frame") => Some(Role::FirstFrame),
        Some("last_frame") => Some(Role::LastFrame),
        Some("reference_image") => Some(Role::Reference),
        Some(_) => {
            let text = format!("{field}.role: allowed are first_frame, last_frame and reference_image");
            return Err(Failure::invalid(field, text));
        }
    };
    let Some(url) = image.text("url")? else { return Ok(None) };
    let media = decode_media(field, &url)?;
    Ok(Some(DraftInput { role, field: field.to_owned(), media }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_shows_that_it_is_meant_for_apimart() {
        for body in [
            r#"{"prompt":"a","generation_type":"frame"}"#,
            r#"{"prompt":"a","image_with_roles":[]}"#,
            r#"{"prompt":"a","first_frame_image":"https://example.com/a.png"}"#,
        ] {
            assert!(is_typical(body.as_bytes()), "{body}");
        }
        for body in
            [r#"{"prompt":"a","n":2}"#, r#"{"generation_type":"REFERENCE"}"#, r#"{"generation_type":7}"#, ""]
        {
            assert!(!is_typical(body.as_bytes()), "{body}");
        }
        assert!(is_typical_remix(br#"{"prompt":"a","model":"sora-2"}"#));
        assert!(!is_typical_remix(br#"{"prompt":"a"}"#) && !is_typical_remix(b"--b"));
    }
}
