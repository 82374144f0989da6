//! A request as the body of APIMart's call.

use domain::{Basis, Call, Derivation, GenerationRequest, Role, Scope};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::wire::{CALLBACK, FRAME, Generation, ImageWithRole, NAME, REFERENCE};
use crate::wishes::{self, Wish};
use crate::{SubmitContext, Unsupported, web};

/// The header of a key with which APIMart makes one task of a submission that comes twice.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The one Veo model that takes no references.
const WITHOUT_REFERENCES: &str = "veo3.1-lite";
/// Most references of a Veo clip.
const REFERENCES_MAX: usize = 3;
/// Seconds of a clip of `veo3.1-fast` and its sisters.
const VEO_DURATION_S: u32 = 8;
/// Seconds of a clip of the `-official` models.
const OFFICIAL_DURATIONS_S: [u32; 3] = [4, 6, 8];

/// Which fields a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// `veo3.1-fast`, `veo3.1-quality`, `veo3.1-lite`.
    Veo,
    /// `veo3.1-fast-official`, `veo3.1-quality-official`.
    Official,
    /// Any other model of videos: what most of them have.
    Clip,
    /// Any model of images.
    Picture,
}

impl Family {
    /// The wishes that there are fields for, or that come true without.
    fn known(self) -> &'static [Wish] {
        match self {
            // Its clips have sound, whether one asks for it or not.
            Self::Veo => &[Wish::Sound, Wish::Remix],
            Self::Official => &[Wish::NegativePrompt, Wish::Sound, Wish::Silence, Wish::Remix],
            Self::Clip => &[Wish::NegativePrompt, Wish::Sound, Wish::Silence, Wish::AudioInput, Wish::Remix],
            Self::Picture => &[Wish::Several],
        }
    }
}

/// The call that submits `request`, or why it cannot be expressed.
pub(super) fn encode(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Call, Unsupported> {
    let family = family(request.scope, context.upstream_model)?;
    wishes::refuse_all_but(family.known(), request, &format!("APIMart's {}", context.upstream_model))?;
    let basis = request.basis.as_ref().filter(|basis| basis.derivation == Derivation::Remix);
    let (path, body) = match basis {
        Some(basis) => (remix_path(basis), remix(request, context, family)?),
        None => {
            let path = format!("/v1/{}/generations", request.scope.as_str());
            (path, generation(request, context, family)?)
        }
    };
    let mut call = Call::post_json(path, with_vendor(&body, request).to_string().into_bytes());
    if let Some(key) = HeaderValue::from_str(context.attempt_key).ok().filter(|key| !key.is_empty()) {
        call.headers.insert(IDEMPOTENCY_KEY, key);
    }
    Ok(call)
}

fn remix_path(basis: &Basis) -> String {
    format!("/v1/videos/{}/remix", web::component(&basis.handle))
}

/// What is changed of an earlier clip: all the rest stays as it is. Dropped: the switch for a watermark.
fn remix<'a>(
    request: &'a GenerationRequest,
    context: &SubmitContext<'a>,
    family: Family,
) -> Result<Generation<'a>, Unsupported> {
    let output = &request.output;
    let refuse = |field| Err(unsupported(field, "APIMart's remix takes words, a ratio and a resolution"));
    match () {
        () if !request.inputs.is_empty() => refuse("images"),
        () if output.duration_s.is_some() => refuse("duration"),
        () if output.seed.is_some() => refuse("seed"),
        () if output.size.is_some() => refuse("size"),
        () => Ok(Generation {
            model: context.upstream_model,
            prompt: &request.prompt,
            aspect_ratio: output.aspect_ratio.as_deref(),
            resolution: resolution(request, context.upstream_model, family)?,
            ..Generation::default()
        }),
    }
}

fn generation<'a>(
    request: &'a GenerationRequest,
    context: &SubmitContext<'a>,
    family: Family,
) -> Result<Generation<'a>, Unsupported> {
    let output = &request.output;
    let (is_veo, is_picture) = (matches!(family, Family::Veo | Family::Official), family == Family::Picture);
    let ratio = output.aspect_ratio.as_deref();
    let mut body = Generation {
        model: context.upstream_model,
        prompt: &request.prompt,
        video_urls: web::input_urls(request, Role::Video, context.base_url),
        audio_urls: web::input_urls(request, Role::Audio, context.base_url),
        resolution: resolution(request, context.upstream_model, family)?,
        duration: duration(request, family)?,
        seed: output.seed.filter(|_| family != Family::Veo),
        watermark: output.watermark.filter(|_| !is_veo),
        size: output.size.as_deref(),
        n: output.count.filter(|_| is_picture),
        negative_prompt: output.negative_prompt.as_deref(),
        generate_audio: output.audio.filter(|_| matches!(family, Family::Official | Family::Clip)),
        ..Generation::default()
    };
    if is_picture {
        body.size = body.size.or(ratio);
    } else {
        body.aspect_ratio = ratio;
    }
    if is_veo && !body.video_urls.is_empty() {
        return Err(unsupported("videos", "APIMart's Veo takes no videos"));
    }
    if is_veo && body.size.is_some() {
        return Err(unsupported("size", "APIMart's Veo has an aspect_ratio and a resolution, no size"));
    }
    place_images(&mut body, request, context, family)?;
    Ok(body)
}

fn family(scope: Scope, upstream_model: &str) -> Result<Family, Unsupported> {
    let is_veo = upstream_model.starts_with("veo3");
    match scope {
        Scope::Images => Ok(Family::Picture),
        Scope::Videos if is_veo && upstream_model.ends_with("-official") => Ok(Family::Official),
        Scope::Videos if is_veo => Ok(Family::Veo),
        Scope::Videos => Ok(Family::Clip),
        Scope::Audio => Err(unsupported("scope", "APIMart documents no tasks that make sound")),
    }
}

/// Puts the images where the model looks for them: the first frame before the last one.
fn place_images(
    body: &mut Generation<'_>,
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
    family: Family,
) -> Result<(), Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    match family {
        Family::Picture => body.image_urls = [first, last, references].concat(),
        Family::Clip => {
            let with = |role: &'static str| move |url: String| ImageWithRole { url, role };
            let images = first.into_iter().map(with("first_frame"));
            let images = images.chain(last.into_iter().map(with("last_frame")));
            body.image_with_roles =
                images.chain(references.into_iter().map(with("reference_image"))).collect();
        }
        Family::Veo | Family::Official if !references.is_empty() => {
            check_references(&references, first.len() + last.len(), context.upstream_model, family)?;
            (body.image_urls, body.generation_type) = (references, Some(REFERENCE));
        }
        Family::Veo | Family::Official => {
            if first.len() > 1 || last.len() > first.len() {
                return Err(unsupported(
                    "images",
                    "APIMart's Veo takes one first frame, and one last frame with it",
                ));
            }
            if family == Family::Official {
                (body.first_frame_image, body.last_frame_image) =
                    (first.into_iter().next(), last.into_iter().next());
            } else if !first.is_empty() {
                (body.image_urls, body.generation_type) = ([first, last].concat(), Some(FRAME));
            }
        }
    }
    Ok(())
}

/// Whether a Veo model takes these references beside that many frames.
fn check_references(
    references: &[String],
    frames: usize,
    upstream_model: &str,
    family: Family,
) -> Result<(), Unsupported> {
    if family == Family::Official || upstream_model == WITHOUT_REFERENCES {
        return Err(unsupported("images", format!("APIMart's {upstream_model} takes no reference images")));
    }
    if frames > 0 {
        return Err(unsupported("images", "APIMart's Veo takes frames or references, not both"));
    }
    if references.len() > REFERENCES_MAX {
        let reason = format!("{} reference images, APIMart takes {REFERENCES_MAX}", references.len());
        return Err(unsupported("images", reason));
    }
    Ok(())
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(
    request: &GenerationRequest,
    upstream_model: &str,
    family: Family,
) -> Result<Option<String>, Unsupported> {
    let wanted = match request.output.resolution.as_deref() {
        _ if request.model.ends_with("-4k") => "4k",
        Some(resolution) => resolution,
        None if request.output.upsample == Some(true) => "1080p",
        None => return Ok(None),
    };
    Ok(Some(match family {
        Family::Veo | Family::Official if !matches!(wanted, "720p" | "1080p" | "4k") => {
            let reason = format!("{wanted}: APIMart's Veo makes 720p, 1080p and 4k");
            return Err(unsupported("resolution", reason));
        }
        Family::Official => wanted.replace('k', "K"),
        Family::Picture if !upstream_model.starts_with("gpt-image") => wanted.replace('k', "K"),
        Family::Veo | Family::Clip | Family::Picture => wanted.to_owned(),
    }))
}

fn duration(request: &GenerationRequest, family: Family) -> Result<Option<u32>, Unsupported> {
    let Some(duration) = request.output.duration_s else { return Ok(None) };
    let allowed: &[u32] = match family {
        Family::Veo => &[VEO_DURATION_S],
        Family::Official => &OFFICIAL_DURATIONS_S,
        Family::Clip => return Ok(Some(duration)),
        // A picture does not last.
        Family::Picture => return Ok(None),
    };
    if allowed.contains(&duration) {
        return Ok(Some(duration));
    }
    let allowed: Vec<String> = allowed.iter().map(u32::to_string).collect();
    let reason = format!("{duration}: clips of this model of APIMart's have {} seconds", allowed.join(", "));
    Err(unsupported("duration", reason))
}

/// The body with the client's own fields, if it speaks APIMart's API, too; where both have a field, ours counts.
fn with_vendor(body: &Generation<'_>, request: &GenerationRequest) -> Value {
    let mut fields: Map<String, Value> = match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct of texts and numbers encodes as an object"),
    };
    let vendor = request.vendor.iter().filter(|vendor| vendor.api == NAME);
    for (name, value) in vendor.flat_map(|vendor| &vendor.fields).filter(|(name, _)| *name != CALLBACK) {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    Value::Object(fields)
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
