//! A request as the `input` of apixo's models.

use domain::{GenerationRequest, OutputSpec, Role};
use serde_json::{Map, Value};

use super::wire::{
    FRAMES_MAX, GenerationType, ImageInput, REFERENCES_MAX, REFERENCES_RATIO, VeoInput, image_mode, mode,
};
use crate::wishes::{self, Wish};
use crate::{Unsupported, web};

/// `input` for Veo. Dropped, because apixo decides them by itself: duration, resolution, upsampling, and the switch for
/// a watermark.
pub(super) fn encode_veo<'a>(
    request: &'a GenerationRequest,
    mode: &str,
    base_url: &str,
    vendor: Map<String, Value>,
) -> Result<VeoInput<'a>, Unsupported> {
    let mode = match mode {
        mode::QUALITY | "" => mode::QUALITY,
        mode::FAST => mode::FAST,
        other => return Err(unsupported("model", format!("{other}: apixo's modes are quality and fast"))),
    };
    // Its clips have sound, whether one asks for it or not.
    wishes::refuse_all_but(&[Wish::Sound], request, "apixo's Veo")?;
    refuse_size(&request.output)?;
    let (generation_type, image_urls) = frames_or_references(request, base_url)?;
    let aspect_ratio = veo_ratio(&request.output, generation_type)?;
    if generation_type == GenerationType::References && mode != mode::FAST {
        return Err(unsupported("images", "apixo takes reference images in the fast mode only"));
    }
    Ok(VeoInput {
        mode,
        prompt: &request.prompt,
        generation_type,
        image_urls,
        aspect_ratio,
        seed: request.output.seed,
        enable_translation: request.output.enhance_prompt,
        vendor,
    })
}

/// `input` for the picture models. Dropped, because it does not change what the client gets: the switches that are
/// for clips.
pub(super) fn encode_image<'a>(
    request: &'a GenerationRequest,
    model: &str,
    base_url: &str,
    vendor: Map<String, Value>,
) -> Result<ImageInput<'a>, Unsupported> {
    let output = &request.output;
    let Some(rules) = IMAGE_MODELS.iter().find(|rules| rules.model == model) else {
        return Err(unsupported("model", format!("{model}: not among apixo's picture models that we know")));
    };
    wishes::refuse_all_but(&[], request, &format!("apixo's {model}"))?;
    refuse_size(output)?;
    if output.seed.is_some() {
        return Err(unsupported("seed", "apixo's picture models take none"));
    }
    let image_urls = web::input_urls(request, Role::Reference, base_url);
    if request.inputs.iter().any(|input| input.role == Role::Video) {
        return Err(unsupported("videos", "apixo's picture models take no videos"));
    }
    if image_urls.len() < request.inputs.len() {
        return Err(unsupported("images", "apixo's picture models take reference images alone"));
    }
    if image_urls.len() > rules.images_max {
        let reason = format!("{} images, apixo's {model} takes {}", image_urls.len(), rules.images_max);
        return Err(unsupported("images", reason));
    }
    Ok(ImageInput {
        mode: if image_urls.is_empty() { image_mode::FROM_TEXT } else { image_mode::FROM_IMAGES },
        prompt: &request.prompt,
        aspect_ratio: rules.ratio(output, !image_urls.is_empty())?,
        image_urls,
        resolution: rules.resolution(output)?,
        vendor,
    })
}

/// What the documents say of a picture model.
struct ImageRules {
    model: &'static str,
    images_max: usize,
    ratios: &'static [&'static str],
    /// The tiers, the default first; none if the model has no choice.
    resolutions: &'static [&'static str],
}

const IMAGE_MODELS: [ImageRules; 2] = [
    ImageRules {
        model: "nano-banana",
        images_max: 5,
        ratios: &["1:1", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "9:16", "16:9", "21:9"],
        resolutions: &[],
    },
    ImageRules {
        model: "nano-banana-2",
        images_max: 14,
        ratios: &[
            "1:1", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8",
            "8:1",
        ],
        resolutions: &["1k", "2k", "4k"],
    },
];

impl ImageRules {
    /// Required; the documents' own default for a picture from text, and what the images have for one from images.
    fn ratio<'a>(&self, output: &'a OutputSpec, from_images: bool) -> Result<&'a str, Unsupported> {
        match output.aspect_ratio.as_deref() {
            None => Ok(if from_images { "auto" } else { "1:1" }),
            Some(ratio) if self.ratios.contains(&ratio) => Ok(ratio),
            Some(ratio) => Err(unsupported("aspect_ratio", format!("{ratio}: not with {}", self.model))),
        }
    }

    /// Required where there is a choice.
    fn resolution<'a>(&self, output: &'a OutputSpec) -> Result<Option<&'a str>, Unsupported> {
        match output.resolution.as_deref() {
            None => Ok(self.resolutions.first().copied()),
            Some(resolution) if self.resolutions.contains(&resolution) => Ok(Some(resolution)),
            Some(resolution) => {
                Err(unsupported("resolution", format!("{resolution}: not with {}", self.model)))
            }
        }
    }
}

/// The images in apixo's order, first frame before last, and what they are for.
fn frames_or_references(
    request: &GenerationRequest,
    base_url: &str,
) -> Result<(GenerationType, Vec<String>), Unsupported> {
    let of = |role| web::input_urls(request, role, base_url);
    let (first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "apixo's Veo takes no videos"));
    }
    match (first.len(), last.len(), references.len()) {
        (0, 0, 0) => Ok((GenerationType::Text, Vec::new())),
        (1, 0 | 1, 0) => Ok((GenerationType::Frames, [first, last].concat())),
        (0, 0, ..=REFERENCES_MAX) => Ok((GenerationType::References, references)),
        (0, 0, count) => {
            Err(unsupported("images", format!("{count} reference images, apixo takes {REFERENCES_MAX}")))
        }
        _ => {
            let reason =
                format!("apixo takes {FRAMES_MAX} frames at most, a first one and a last one, or references");
            Err(unsupported("images", reason))
        }
    }
}

/// apixo's default is 16:9; with frames it can look at these instead.
fn veo_ratio(output: &OutputSpec, images: GenerationType) -> Result<Option<&str>, Unsupported> {
    match (output.aspect_ratio.as_deref(), images) {
        (None | Some(REFERENCES_RATIO), GenerationType::References) => Ok(Some(REFERENCES_RATIO)),
        (Some(ratio), GenerationType::References) => {
            let reason = format!("{ratio}: apixo makes {REFERENCES_RATIO} alone of reference images");
            Err(unsupported("aspect_ratio", reason))
        }
        (Some(ratio @ ("16:9" | "9:16")), _) => Ok(Some(ratio)),
        (Some(ratio), _) => Err(unsupported("aspect_ratio", format!("{ratio}: apixo makes 16:9 and 9:16"))),
        (None, GenerationType::Text) => Ok(None),
        (None, GenerationType::Frames) => Ok(Some("auto")),
    }
}

fn refuse_size(output: &OutputSpec) -> Result<(), Unsupported> {
    match &output.size {
        Some(size) => Err(unsupported("size", format!("{size}: apixo has ratios, not sizes"))),
        None => Ok(()),
    }
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
