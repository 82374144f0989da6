//! What a client's `input` asks for: by apixo's own rules for its Veo and its picture models, and by the names of the
//! fields for all others.

use domain::{DraftInput, Failure, OutputSpec, Role};
use serde_json::{Map, Value};

use super::wire::{
    FRAMES_MAX, GenerationType, INPUT, REFERENCES_MAX, REFERENCES_RATIO, VEO, image_mode, mode,
};
use crate::fields::Fields;
use crate::inputs;

/// What an `input` asks for, of a public model.
pub(super) struct Wish {
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) inputs: Vec<DraftInput>,
    pub(super) output: OutputSpec,
    /// The fields that only apixo knows.
    pub(super) rest: Map<String, Value>,
}

/// What `fields` ask of the model in the path.
pub(super) fn decode_wish(model: &str, mut fields: Fields<'_>) -> Result<Wish, Failure> {
    if model == VEO {
        return decode_veo(fields);
    }
    match fields.text("mode")? {
        Some(mode) if mode.ends_with("-to-image") => decode_image(model, &mode, fields),
        mode => decode_other(model, mode, fields),
    }
}

/// Mode and generation type together are a public model.
fn decode_veo(mut fields: Fields<'_>) -> Result<Wish, Failure> {
    let images = inputs::images(&mut fields, &["image_urls"], None)?;
    let generation_type = fields.word("generationType", &GenerationType::NAMES)?;
    let generation_type = match generation_type.and_then(GenerationType::parse) {
        Some(generation_type) => generation_type,
        None if images.is_empty() => GenerationType::Text,
        None => GenerationType::Frames,
    };
    check_count(images.len(), generation_type)?;
    let mode = fields.word("mode", &[mode::QUALITY, mode::FAST])?;
    let model = match (generation_type, mode) {
        (GenerationType::References, Some(mode::FAST)) => "veo3.1-components",
        (GenerationType::References, _) => {
            return Err(Failure::invalid("mode", "mode: REFERENCE_2_VIDEO takes fast alone"));
        }
        (_, Some(mode::FAST)) => "veo3.1-fast",
        _ => "veo3.1",
    };
    let mut wish = decode(model, images, fields)?;
    if generation_type == GenerationType::References {
        wish.inputs.iter_mut().for_each(|input| input.role = Some(Role::Reference));
        let ratio = wish.output.aspect_ratio.get_or_insert_with(|| REFERENCES_RATIO.to_owned());
        if ratio != REFERENCES_RATIO {
            let text = format!("aspect_ratio: REFERENCE_2_VIDEO takes {REFERENCES_RATIO} alone");
            return Err(Failure::invalid("aspect_ratio", text));
        }
    }
    Ok(wish)
}

/// A picture model; only those have such a mode.
fn decode_image(model: &str, mode: &str, mut fields: Fields<'_>) -> Result<Wish, Failure> {
    let images = inputs::images(&mut fields, &["image_urls"], Some(Role::Reference))?;
    let refuse = |field: &str, why: &str| Err(Failure::invalid(field, format!("{field}: {why}")));
    match mode {
        image_mode::FROM_TEXT if !images.is_empty() => refuse("image_urls", "text-to-image takes none"),
        image_mode::FROM_IMAGES if images.is_empty() => {
            refuse("image_urls", "image-to-image takes at least one")
        }
        image_mode::FROM_TEXT | image_mode::FROM_IMAGES => decode(model, images, fields),
        _ => refuse("mode", "allowed is text-to-image, image-to-image"),
    }
}

/// Any other public model: its mode is its own business.
fn decode_other(model: &str, mode: Option<String>, mut fields: Fields<'_>) -> Result<Wish, Failure> {
    let images = inputs::images(&mut fields, &["image_urls"], None)?;
    let mut wish = decode(model, images, fields)?;
    if let Some(mode) = mode {
        wish.rest.insert("mode".to_owned(), mode.into());
    }
    Ok(wish)
}

fn decode(model: &str, mut inputs: Vec<DraftInput>, mut fields: Fields<'_>) -> Result<Wish, Failure> {
    inputs.iter_mut().for_each(|input| input.field = format!("{INPUT}.{}", input.field));
    // What looks at the images is what an absent ratio means, too.
    let ratio = fields.text("aspect_ratio")?.filter(|ratio| !ratio.eq_ignore_ascii_case("auto"));
    Ok(Wish {
        model: model.to_owned(),
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: OutputSpec {
            aspect_ratio: ratio,
            resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
            duration_s: fields.seconds("duration")?,
            seed: fields.whole("seed")?,
            enhance_prompt: fields.switch("enableTranslation")?,
            ..OutputSpec::default()
        },
        rest: fields.rest()?,
    })
}

fn check_count(images: usize, generation_type: GenerationType) -> Result<(), Failure> {
    let (allowed, text) = match generation_type {
        GenerationType::Text => (0..=0, "TEXT_2_VIDEO takes none"),
        GenerationType::Frames => (1..=FRAMES_MAX, "FIRST_AND_LAST_FRAMES_2_VIDEO takes 1 to 2"),
        GenerationType::References => (1..=REFERENCES_MAX, "REFERENCE_2_VIDEO takes 1 to 3"),
    };
    if allowed.contains(&images) {
        return Ok(());
    }
    Err(Failure::invalid("image_urls", format!("image_urls: {images} given, {text}")))
}
