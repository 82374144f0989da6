//! A submission: which endpoint a model has, and what of a request goes into its `input`.

use domain::{Call, GenerationRequest, Role, Scope};

use super::prediction::PATH;
use super::wire::{ENDED, Input, NewPrediction};
use crate::wishes::{Wish, refuse_all_but};
use crate::{SubmitContext, Unsupported, web};

/// The call that submits `request`.
pub(super) fn encode(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Call, Unsupported> {
    let input = input(request, context)?;
    let (path, version) = endpoint(context.upstream_model);
    let webhook = context.callback_url;
    let body = NewPrediction { version, webhook, webhook_events_filter: webhook.map(|_| [ENDED]), input };
    Ok(Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode")))
}

/// Where a model is asked for: an official one, `owner/name`, by its path; `owner/name:version`, or a version alone,
/// by the version.
fn endpoint(upstream_model: &str) -> (String, Option<&str>) {
    match (upstream_model.split_once(':'), upstream_model.split_once('/')) {
        (Some((_, version)), _) => (PATH.to_owned(), Some(version)),
        (None, Some((owner, name))) => {
            let (owner, name) = (web::component(owner), web::component(name));
            (format!("/v1/models/{owner}/{name}/predictions"), None)
        }
        (None, None) => (PATH.to_owned(), Some(upstream_model)),
    }
}

/// What a Veo model can do, after its schema at replicate.com/google.
struct Bounds {
    durations_s: &'static [u32],
    resolutions: &'static [&'static str],
    last_frame: bool,
    references_max: usize,
    /// Those of the older model are silent.
    sound: bool,
}

/// The bounds of a model; `None` for a model that we do not know, which gets what was asked for as it is.
fn bounds(upstream_model: &str) -> Option<Bounds> {
    let newer = Bounds {
        durations_s: &[4, 6, 8],
        resolutions: &["720p", "1080p"],
        last_frame: true,
        references_max: 0,
        sound: true,
    };
    match upstream_model.split(':').next()? {
        "google/veo-3.1" => Some(Bounds { references_max: 3, ..newer }),
        "google/veo-3.1-fast" => Some(newer),
        "google/veo-3" | "google/veo-3-fast" => Some(Bounds { last_frame: false, ..newer }),
        "google/veo-2" => Some(Bounds {
            durations_s: &[5, 6, 7, 8],
            resolutions: &[],
            last_frame: false,
            references_max: 0,
            sound: false,
        }),
        _ => None,
    }
}

/// `enhance_prompt` and `watermark` are dropped: no model here has such a switch, and the clip is the same film.
fn input<'a>(request: &'a GenerationRequest, context: &SubmitContext<'_>) -> Result<Input<'a>, Unsupported> {
    if request.scope != Scope::Videos {
        let reason = format!("the Veo models make videos, not {}", request.scope.as_str());
        return Err(unsupported("scope", reason));
    }
    let bounds = bounds(context.upstream_model);
    check_wishes(request, bounds.as_ref())?;
    check_roles(request)?;
    let mut input = Input::of(request, context.base_url);
    if request.model.ends_with("-4k") {
        input.resolution = Some("4k");
    } else if input.resolution.is_none() && request.output.upsample == Some(true) {
        input.resolution = Some("1080p");
    }
    match bounds {
        Some(bounds) => fit(input, &bounds),
        None => Ok(input),
    }
}

/// What the Veo models have a field for is known; of another model, all that has a name in this API.
fn check_wishes(request: &GenerationRequest, bounds: Option<&Bounds>) -> Result<(), Unsupported> {
    use Wish as W;
    match bounds {
        None => {
            let known = [
                W::Several,
                W::NegativePrompt,
                W::Sound,
                W::Silence,
                W::Quality,
                W::Format,
                W::Voice,
                W::AudioInput,
                W::Mask,
            ];
            refuse_all_but(&known, request, "Replicate")
        }
        Some(_) if request.inputs.iter().any(|input| input.role == Role::Video) => {
            Err(unsupported("videos", "the Veo models take no videos"))
        }
        Some(Bounds { sound: true, .. }) => {
            refuse_all_but(&[W::NegativePrompt, W::Sound, W::Silence], request, "the model")
        }
        Some(Bounds { sound: false, .. }) => refuse_all_but(&[W::Silence], request, "the model"),
    }
}

/// One medium for each field that takes one.
fn check_roles(request: &GenerationRequest) -> Result<(), Unsupported> {
    let count = |role| request.inputs.iter().filter(|input| input.role == role).count();
    let single = [(Role::Video, "videos"), (Role::Audio, "audios"), (Role::Mask, "mask")];
    if let Some((_, field)) = single.into_iter().find(|(role, _)| count(*role) > 1) {
        return Err(unsupported(field, "one is possible"));
    }
    match (count(Role::FirstFrame), count(Role::LastFrame), count(Role::Reference)) {
        (0 | 1, 0, 0) | (1, 1, 0) | (0, 0, _) => Ok(()),
        (0, 1.., 0) => Err(unsupported("images", "a last frame needs a first frame")),
        (_, _, 0) => Err(unsupported("images", "one first frame and one last frame are possible")),
        _ => Err(unsupported("images", "frames or references are possible, not both")),
    }
}

/// `input` within a model's bounds, and without what goes without saying: one clip, as MP4, and of the older model without
/// sound.
fn fit<'a>(mut input: Input<'a>, bounds: &Bounds) -> Result<Input<'a>, Unsupported> {
    (input.num_outputs, input.quality, input.output_format) = (None, None, None);
    input.generate_audio = input.generate_audio.filter(|_| bounds.sound);
    if let Some(size) = input.size.take() {
        let (ratio, resolution) = of_size(size)?;
        input.aspect_ratio = agreed(input.aspect_ratio, ratio, size)?;
        input.resolution = agreed(input.resolution, resolution, size)?;
    }
    let references = input.reference_images.len();
    if references > bounds.references_max {
        let text = format!("{references} reference images, the model takes {}", bounds.references_max);
        return Err(unsupported("images", text));
    }
    if input.last_frame.is_some() && !bounds.last_frame {
        return Err(unsupported("images", "the model takes no last frame"));
    }
    let (ratios, durations_s): (&[&str], &[u32]) = match references {
        0 => (&["16:9", "9:16"], bounds.durations_s),
        _ => (&["16:9"], &[8]),
    };
    one_of("aspect_ratio", input.aspect_ratio.as_ref(), ratios)?;
    one_of("resolution", input.resolution.as_ref(), bounds.resolutions)?;
    one_of("duration", input.duration.as_ref(), durations_s)?;
    Ok(input)
}

/// Aspect ratio and resolution of a size in pixels.
fn of_size(size: &str) -> Result<(&'static str, &'static str), Unsupported> {
    match size {
        "1280x720" => Ok(("16:9", "720p")),
        "720x1280" => Ok(("9:16", "720p")),
        "1920x1080" => Ok(("16:9", "1080p")),
        "1080x1920" => Ok(("9:16", "1080p")),
        _ => Err(unsupported("size", format!("{size}: the Veo models make 720p and 1080p, 16:9 and 9:16"))),
    }
}

fn agreed<'a>(said: Option<&'a str>, by_size: &'a str, size: &str) -> Result<Option<&'a str>, Unsupported> {
    match said {
        Some(said) if said != by_size => Err(unsupported("size", format!("{size} is not {said}"))),
        _ => Ok(Some(by_size)),
    }
}

fn one_of<T: PartialEq + ToString>(
    field: &'static str,
    value: Option<&T>,
    allowed: &[T],
) -> Result<(), Unsupported> {
    match value {
        Some(value) if !allowed.contains(value) => {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let allowed = if allowed.is_empty() { "no field for it".to_owned() } else { allowed.join(", ") };
            Err(unsupported(field, format!("{}: the model has {allowed}", value.to_string())))
        }
        _ => Ok(()),
    }
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
