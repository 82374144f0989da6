//! A submission to one of fal's Veo models: what of a request they can do, and how they want to be told.

use domain::{Call, GenerationRequest, Role, Scope};

use super::wire::{NAME, Veo, WEBHOOK};
use crate::wishes::{Wish, refuse_all_but};
use crate::{SubmitContext, Unsupported, web};

/// The one model that takes reference images.
const WITH_REFERENCES: &str = "fal-ai/veo3.1";
/// The model that makes no 4k, and only its longest clips from two frames or in 1080p.
const LITE: &str = "fal-ai/veo3.1/lite";
/// Most reference images.
const REFERENCES_MAX: usize = 3;
/// Clip lengths in seconds.
const DURATIONS_S: [u32; 3] = [4, 6, 8];
/// Sizes in pixels, as aspect ratio and resolution.
const SIZES: [(&str, &str, &str); 6] = [
    ("1280x720", "16:9", "720p"),
    ("720x1280", "9:16", "720p"),
    ("1920x1080", "16:9", "1080p"),
    ("1080x1920", "9:16", "1080p"),
    ("3840x2160", "16:9", "4k"),
    ("2160x3840", "9:16", "4k"),
];

/// The call that submits `request`.
pub(super) fn encode(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Call, Unsupported> {
    if request.scope != Scope::Videos {
        let reason = format!("fal's Veo makes videos, not {}", request.scope.as_str());
        return Err(unsupported("scope", reason));
    }
    refuse_all_but(&[Wish::NegativePrompt, Wish::Sound, Wish::Silence], request, "fal's Veo")?;
    let (way, images) = images(request, context)?;
    let shape = shape(request)?;
    let resolution = resolution(request, shape, context.upstream_model)?;
    let body = Veo {
        prompt: &request.prompt,
        aspect_ratio: aspect_ratio(shape.ratio, way)?,
        duration: duration(request, (way, resolution), context.upstream_model)?,
        resolution,
        seed: request.output.seed,
        negative_prompt: request.output.negative_prompt.as_deref(),
        generate_audio: request.output.audio,
        vendor: request.vendor.as_ref().filter(|vendor| vendor.api == NAME).map(|vendor| &vendor.fields),
        ..images
    };
    let path = format!("/{}{}", segments(context.upstream_model), way.path());
    let call = Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode"));
    let query = context.callback_url.map(|url| format!("{WEBHOOK}={}", web::component(url)));
    Ok(Call { query: query.unwrap_or_default(), ..call })
}

/// A model's id, or a part of it, in a path.
pub(super) fn segments(id: &str) -> String {
    id.split('/').map(web::component).collect::<Vec<_>>().join("/")
}

/// What goes in besides words: the end of the path that is submitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Text,
    Image,
    Frames,
    References,
}

impl Way {
    fn path(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Image => "/image-to-video",
            Self::Frames => "/first-last-frame-to-video",
            Self::References => "/reference-to-video",
        }
    }
}

/// The images in the fields that their way has for them.
fn images(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<(Way, Veo<'static>), Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (mut first, mut last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "fal's Veo takes no videos"));
    }
    let none = Veo::default();
    match (first.len(), last.len(), references.len()) {
        (0, 0, 0) => Ok((Way::Text, none)),
        (1, 0, 0) => Ok((Way::Image, Veo { image_url: first.pop(), ..none })),
        (1, 1, 0) => {
            Ok((Way::Frames, Veo { first_frame_url: first.pop(), last_frame_url: last.pop(), ..none }))
        }
        (0, 0, 1..) if context.upstream_model != WITH_REFERENCES => {
            let reason = format!("only {WITH_REFERENCES} takes reference images");
            Err(unsupported("images", reason))
        }
        (0, 0, ..=REFERENCES_MAX) => Ok((Way::References, Veo { image_urls: references, ..none })),
        (0, 0, count) => {
            Err(unsupported("images", format!("{count} reference images, fal takes {REFERENCES_MAX}")))
        }
        _ => Err(unsupported("images", "fal takes one first frame and one last frame, or references alone")),
    }
}

/// Shape and lines that the client asks for, by themselves or by a size in pixels.
#[derive(Debug, Clone, Copy)]
struct Shape<'a> {
    ratio: Option<&'a str>,
    resolution: Option<&'a str>,
}

/// fal's Veo has no size, but each size that it makes is one ratio and one resolution.
fn shape(request: &GenerationRequest) -> Result<Shape<'_>, Unsupported> {
    let output = &request.output;
    let said = Shape {
        ratio: output.aspect_ratio.as_deref().filter(|ratio| !ratio.eq_ignore_ascii_case("auto")),
        resolution: output.resolution.as_deref(),
    };
    let Some(size) = output.size.as_deref() else { return Ok(said) };
    let Some((_, ratio, resolution)) = SIZES.iter().find(|(known, ..)| *known == size) else {
        return Err(unsupported(
            "size",
            format!("{size}: fal's Veo makes 720p, 1080p and 4k, 16:9 and 9:16"),
        ));
    };
    let agrees = |said: Option<&str>, by_size| said.is_none_or(|said| said == by_size);
    if !agrees(said.ratio, *ratio) || !agrees(said.resolution, *resolution) {
        return Err(unsupported("size", format!("{size} is {resolution} and {ratio}")));
    }
    Ok(Shape { ratio: Some(ratio), resolution: Some(resolution) })
}

/// Frames alone have a shape to go by; with words and references fal's default is 16:9.
fn aspect_ratio(ratio: Option<&str>, way: Way) -> Result<Option<&str>, Unsupported> {
    match ratio {
        Some("16:9" | "9:16") => Ok(ratio),
        Some(other) => Err(unsupported("aspect_ratio", format!("{other}: fal makes 16:9 and 9:16"))),
        None => Ok(matches!(way, Way::Image | Way::Frames).then_some("auto")),
    }
}

fn duration(
    request: &GenerationRequest,
    (way, resolution): (Way, Option<&str>),
    model: &str,
) -> Result<Option<String>, Unsupported> {
    let only_8 =
        way == Way::References || model == LITE && (way == Way::Frames || resolution == Some("1080p"));
    match request.output.duration_s {
        None => Ok(None),
        Some(8) => Ok(Some("8s".to_owned())),
        Some(seconds) if only_8 => {
            Err(unsupported("duration", format!("{seconds}: fal makes this in 8 s only")))
        }
        Some(seconds) if DURATIONS_S.contains(&seconds) => Ok(Some(format!("{seconds}s"))),
        Some(seconds) => Err(unsupported("duration", format!("{seconds}: fal makes clips of 4, 6 and 8 s"))),
    }
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution<'a>(
    request: &GenerationRequest,
    shape: Shape<'a>,
    model: &str,
) -> Result<Option<&'a str>, Unsupported> {
    let wanted = match shape.resolution {
        _ if request.model.ends_with("-4k") => Some("4k"),
        None if request.output.upsample == Some(true) => Some("1080p"),
        wanted => wanted,
    };
    match wanted {
        None | Some("720p" | "1080p") => Ok(wanted),
        Some("4k") if model != LITE => Ok(wanted),
        Some(other) => Err(unsupported("resolution", format!("{other}: {model} does not make it"))),
    }
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
