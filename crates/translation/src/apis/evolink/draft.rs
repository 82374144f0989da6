//! A submission as clients write it.

use domain::{Draft, Failure, OutputSpec, Role, Scope, Vendor};

use super::wire::{CALLBACK, NAME};
use crate::fields::Fields;
use crate::{callback, inputs};

/// The fields that bring images; all but the first are others' names that clients send here, too.
const IMAGE_FIELDS: [&str; 4] = ["image_urls", "images", "image", "image_url"];

/// The draft in the body of a submission for `scope`.
pub(super) fn decode_draft(scope: Scope, body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    // Which mode there is beside frames; the field itself goes on to an EvoLink upstream.
    let mode = fields.text_kept("generation_type")?;
    let role = mode.filter(|mode| mode.eq_ignore_ascii_case("REFERENCE")).map(|_| Role::Reference);
    let mut inputs = inputs::images(&mut fields, &IMAGE_FIELDS, role)?;
    inputs.extend(inputs::images(&mut fields, &["mask_url"], Some(Role::Mask))?);
    inputs.extend(inputs::videos(&mut fields, "video_urls")?);
    inputs.extend(inputs::sounds(&mut fields, "audio_urls")?);
    Ok(Draft {
        scope: Some(scope),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: decode_output(scope, &mut fields)?,
        callback: callback::decode(&mut fields, CALLBACK)?,
        vendor: Some(fields.rest()?)
            .filter(|rest| !rest.is_empty())
            .map(|fields| Vendor { api: NAME.to_owned(), fields }),
        ..Draft::default()
    })
}

fn decode_output(scope: Scope, fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let mut output = OutputSpec {
        aspect_ratio: decided(fields.text("aspect_ratio")?),
        resolution: decode_resolution(scope, fields)?,
        duration_s: fields.seconds("duration")?,
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        ..OutputSpec::default()
    };
    if scope == Scope::Images {
        output.count = fields.count("n")?;
        output.quality = decode_quality(fields)?;
        // One field for both: `16:9` and `1024x1024`.
        match decided(fields.text("size")?) {
            Some(ratio) if ratio.contains(':') => output.aspect_ratio = Some(ratio),
            size => output.size = size,
        }
    }
    match scope {
        Scope::Videos => output.audio = fields.switch("generate_audio")?,
        Scope::Audio => output.negative_prompt = fields.text("negative_tags")?,
        Scope::Images => {}
    }
    Ok(output)
}

/// `quality`, or `resolution` as others call it, lower case. The quality of some images is no resolution, but a word
/// such as `high`.
fn decode_resolution(scope: Scope, fields: &mut Fields<'_>) -> Result<Option<String>, Failure> {
    let quality = fields.text_kept("quality")?;
    let is_ours = quality.as_deref().is_none_or(|quality| scope == Scope::Videos || is_resolution(quality));
    let quality = if is_ours { fields.text("quality")? } else { None };
    let resolution = fields.text("resolution")?;
    Ok(quality.or(resolution).map(|text| text.to_ascii_lowercase()))
}

/// `auto` leaves it to the model, as saying nothing does.
fn decided(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.eq_ignore_ascii_case("auto"))
}

/// What remains of `quality` once a resolution was taken out.
fn decode_quality(fields: &mut Fields<'_>) -> Result<Option<String>, Failure> {
    Ok(fields.text("quality")?.map(|quality| quality.to_ascii_lowercase()))
}

/// `1080p`, `0.5K`.
fn is_resolution(quality: &str) -> bool {
    let number = quality.strip_suffix(['k', 'K', 'p', 'P']);
    number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a body has a field that only EvoLink's clients send on a path that several APIs claim.
pub(super) fn is_typical(scope: Scope, body: &[u8]) -> bool {
    let Ok(mut fields) = Fields::parse(body) else { return false };
    let quality = fields.text("quality").ok().flatten();
    quality.is_some_and(|quality| is_resolution(&quality))
        || match scope {
            Scope::Videos => fields.has("model_params"),
            Scope::Images => fields.has("mask_url"),
            Scope::Audio => {
                ["custom_mode", "negative_tags", "vocal_gender"].iter().any(|name| fields.has(name))
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_shows_that_it_is_meant_for_evolink() {
        for (scope, body) in [
            (Scope::Videos, r#"{"prompt":"a","quality":"1080p"}"#),
            (Scope::Videos, r#"{"prompt":"a","model_params":{}}"#),
            (Scope::Images, r#"{"prompt":"a","quality":"0.5K"}"#),
            (Scope::Images, r#"{"prompt":"a","mask_url":"https://example.com/m.png"}"#),
            (Scope::Audio, r#"{"prompt":"a","custom_mode":true}"#),
        ] {
            assert!(is_typical(scope, body.as_bytes()), "{body}");
        }
        for body in
            [r#"{"prompt":"a"}"#, r#"{"prompt":"a","quality":"high","n":2}"#, r#"{"quality":7}"#, "[]", ""]
        {
            for scope in Scope::ALL {
                assert!(!is_typical(scope, body.as_bytes()), "{body}");
            }
        }
    }
}
