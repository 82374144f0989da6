//! What a client asks for: of kie's Veo by kie's rules, of a job's model by the names of the fields.

use domain::{Derivation, Draft, DraftBasis, DraftInput, Failure, OutputSpec, Role, Scope, TaskId, Vendor};
use serde_json::{Map, Value};

use super::told::AS_JOB;
use super::wire::{CALLBACK, GenerationType, INPUT, NAME, veo};
use crate::fields::{Fields, within};
use crate::{callback, inputs, web};

/// The fields by which the models of jobs take images.
const JOB_IMAGES: [&str; 6] = ["image_urls", "image_input", "input_urls", "image_url", "imageUrls", "images"];
/// The market's names of models that have another name here.
const ALIASES: [(&str, &str); 2] =
    [("google/nano-banana", "nano-banana"), ("google/nano-banana-edit", "nano-banana")];

/// The draft in the body of `POST /api/v1/veo/generate`.
pub(super) fn decode_veo(body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let callback = callback::decode(&mut fields, CALLBACK)?;
    let mut images = inputs::images(&mut fields, &["imageUrls", "image_urls"], None)?;
    let generation_type = fields.word("generationType", &GenerationType::NAMES)?;
    let generation_type = match generation_type.and_then(GenerationType::parse) {
        Some(generation_type) => generation_type,
        None => match images.len() {
            0 => GenerationType::Text,
            1 | 2 => GenerationType::Frames,
            _ => GenerationType::References,
        },
    };
    check_count(images.len(), generation_type)?;
    if generation_type == GenerationType::References {
        images.iter_mut().for_each(|image| image.role = Some(Role::Reference));
    }
    let model = fields.text("model")?.unwrap_or_else(|| veo::QUALITY.to_owned());
    let model = public_name(&model, generation_type)?.to_owned();
    Ok(Draft {
        scope: Some(Scope::Videos),
        model: Some(model),
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs: images,
        output: OutputSpec {
            aspect_ratio: decode_ratio(&mut fields, &["aspectRatio", "aspect_ratio"])?,
            resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
            duration_s: fields.seconds("duration")?,
            seed: fields.whole("seeds")?,
            enhance_prompt: fields.switch("enableTranslation")?,
            ..OutputSpec::default()
        },
        callback,
        vendor: vendor(fields.rest()?),
        ..Draft::default()
    })
}

/// The draft in the query of `GET /api/v1/veo/get-1080p-video`.
pub(super) fn decode_1080p(query: &str) -> Result<Draft, Failure> {
    let index = match web::query_value(query, "index") {
        text if text.is_empty() => 0,
        text => text.parse().map_err(|_| Failure::invalid("index", "index: allowed is a whole number"))?,
    };
    enlargement(web::query_value(query, "taskId"), index, "1080p")
}

/// The draft in the body of `POST /api/v1/veo/get-4k-video`.
pub(super) fn decode_4k(body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let callback = callback::decode(&mut fields, CALLBACK)?;
    // One that is too large for us names no result, either.
    let index = usize::try_from(fields.whole("index")?.unwrap_or_default()).unwrap_or(usize::MAX);
    let draft = enlargement(fields.text("taskId")?.unwrap_or_default(), index, "4k")?;
    Ok(Draft { callback, ..draft })
}

fn enlargement(task: String, index: usize, resolution: &str) -> Result<Draft, Failure> {
    if task.is_empty() {
        return Err(Failure::invalid("taskId", "taskId: required"));
    }
    Ok(Draft {
        scope: Some(Scope::Videos),
        output: OutputSpec { resolution: Some(resolution.to_owned()), ..OutputSpec::default() },
        basis: Some(DraftBasis { task: TaskId::new(task), index, derivation: Derivation::Upscale }),
        ..Draft::default()
    })
}

/// The draft in the body of `POST /api/v1/jobs/createTask`.
pub(super) fn decode_job(body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let mut callback = callback::decode(&mut fields, CALLBACK)?;
    callback.iter_mut().for_each(|callback| callback.events.push(AS_JOB.to_owned()));
    let model = fields.text("model")?.ok_or_else(|| Failure::invalid("model", "model: required"))?;
    let model = ALIASES.iter().find(|(name, _)| *name == model).map_or(&*model, |(_, public)| public);
    let input = fields.object(INPUT)?;
    let input = input.ok_or_else(|| Failure::invalid(INPUT, format!("{INPUT}: required, an object")))?;
    let mut draft = decode_input(model, input).map_err(|failure| within(INPUT, failure))?;
    let mut rest = fields.rest()?;
    if let Some(inner) = draft.vendor.take() {
        rest.insert(INPUT.to_owned(), inner.fields.into());
    }
    draft.vendor = vendor(rest);
    draft.callback = callback;
    Ok(draft)
}

fn decode_input(model: &str, mut fields: Fields<'_>) -> Result<Draft, Failure> {
    let mut inputs = inputs::images(&mut fields, &JOB_IMAGES, None)?;
    inputs.extend(inputs::images(&mut fields, &["mask_url"], Some(Role::Mask))?);
    inputs.extend(inputs::sounds(&mut fields, "audio_url")?);
    inputs.extend(inputs::sounds(&mut fields, "audio_urls")?);
    inputs.iter_mut().for_each(|input: &mut DraftInput| input.field = format!("{INPUT}.{}", input.field));
    let seed = fields.whole("seed")?;
    Ok(Draft {
        model: Some(model.to_owned()),
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: OutputSpec {
            aspect_ratio: decode_ratio(&mut fields, &["aspect_ratio", "image_size"])?,
            resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
            duration_s: fields.seconds("duration")?,
            seed: fields.whole("seeds")?.or(seed),
            count: fields.count("num_images")?,
            negative_prompt: fields.text("negative_prompt")?,
            audio: fields.switch("generate_audio")?,
            quality: decode_quality(&mut fields)?,
            format: fields.format("output_format")?,
            voice: fields.text("voice")?,
            ..OutputSpec::default()
        },
        vendor: vendor(fields.rest()?),
        ..Draft::default()
    })
}

/// The public model that a model of kie's Veo is; any other name is a public one itself. References have one public name,
/// without a lite tier.
fn public_name(model: &str, generation_type: GenerationType) -> Result<&str, Failure> {
    match (model, generation_type) {
        (veo::QUALITY, GenerationType::References) => {
            Err(Failure::invalid("model", "model: REFERENCE_2_VIDEO takes veo3_fast and veo3_lite"))
        }
        (veo::FAST | veo::LITE, GenerationType::References) => Ok("veo3.1-components"),
        (veo::QUALITY, _) => Ok("veo3.1"),
        (veo::FAST, _) => Ok("veo3.1-fast"),
        (veo::LITE, _) => Ok("veo3.1-lite"),
        (public, _) => Ok(public),
    }
}

/// The first of `names` that is there. What looks at the images is what an absent ratio means, too.
fn decode_ratio(fields: &mut Fields<'_>, names: &[&str]) -> Result<Option<String>, Failure> {
    let mut found = None;
    for name in names {
        let ratio = fields.text(name)?;
        found = found.or(ratio);
    }
    Ok(found.filter(|ratio| !ratio.eq_ignore_ascii_case("auto")))
}

/// How much work goes into an image; some models mean lines by it, which only kie knows.
fn decode_quality(fields: &mut Fields<'_>) -> Result<Option<String>, Failure> {
    let quality = fields.text_kept("quality")?.map(|quality| quality.to_ascii_lowercase());
    match quality.as_deref() {
        Some("low" | "medium" | "high" | "auto") => fields.text("quality").map(|_| quality),
        _ => Ok(None),
    }
}

fn vendor(fields: Map<String, Value>) -> Option<Vendor> {
    (!fields.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields })
}

fn check_count(images: usize, generation_type: GenerationType) -> Result<(), Failure> {
    let (allowed, text) = match generation_type {
        GenerationType::Text => (0..=0, "TEXT_2_VIDEO takes none"),
        GenerationType::Frames => (1..=2, "FIRST_AND_LAST_FRAMES_2_VIDEO takes 1 to 2"),
        GenerationType::References => (1..=3, "REFERENCE_2_VIDEO takes 1 to 3"),
    };
    if allowed.contains(&images) {
        return Ok(());
    }
    Err(Failure::invalid("imageUrls", format!("imageUrls: {images} given, {text}")))
}
