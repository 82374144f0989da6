//! Clips: a request as the body of its call.

use domain::{Call, GenerationRequest, OutputSpec, Role, Scope};

use super::wire::{Generation, Subject};
use crate::wishes::{Wish, refuse_all_but};
use crate::{SubmitContext, Unsupported, web};

/// What the documents say of a model.
struct Model {
    name: &'static str,
    /// Whether words alone are enough.
    from_words: bool,
    last_frame: bool,
    /// Whether a clip keeps to a person; such a model has no choices.
    subject: bool,
    /// The resolutions that it makes with their lengths in seconds; none if they are not restricted.
    modes: &'static [(&'static str, &'static [u32])],
}

/// Any model that is not in the list: an operator's own choice, about which MiniMax has the last word.
const OTHER: Model = Model { name: "", from_words: true, last_frame: true, subject: true, modes: &[] };

const HAILUO_MODES: &[(&str, &[u32])] = &[("768p", &[6, 10]), ("1080p", &[6])];

const MODELS: &[Model] = &[
    Model { name: "MiniMax-Hailuo-2.3", last_frame: false, subject: false, modes: HAILUO_MODES, ..OTHER },
    Model {
        name: "MiniMax-Hailuo-2.3-Fast",
        from_words: false,
        last_frame: false,
        subject: false,
        modes: HAILUO_MODES,
    },
    Model { name: "MiniMax-Hailuo-02", subject: false, modes: HAILUO_MODES, ..OTHER },
    Model { name: "S2V-01", from_words: false, last_frame: false, modes: &[("720p", &[6])], ..OTHER },
];

/// What MiniMax makes when nothing is said, in seconds and lines.
const USUAL_S: u32 = 6;
const USUAL_SHAPE: &str = "16:9";

/// The call that submits `request`, or why it cannot be expressed. Silence is no wish: no clip has sound.
pub(super) fn encode_submit(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Call, Unsupported> {
    refuse_all_but(&[Wish::Silence], request, "MiniMax")?;
    if request.scope != Scope::Videos {
        let reason =
            format!("MiniMax's {} makes videos, not {}", context.upstream_model, request.scope.as_str());
        return refuse("scope", reason);
    }
    let model = MODELS.iter().find(|model| model.name == context.upstream_model).unwrap_or(&OTHER);
    let Images { first, last, subject } = images(request, model, context)?;
    check_shape(&request.output, first.is_some())?;
    let (resolution, duration) = mode(&request.output, model)?;
    let body = Generation {
        model: context.upstream_model,
        prompt: &request.prompt,
        first_frame_image: first,
        last_frame_image: last,
        subject_reference: subject
            .into_iter()
            .map(|image| Subject { r#type: "character", image: vec![image] })
            .collect(),
        duration,
        resolution: resolution.map(str::to_ascii_uppercase),
        prompt_optimizer: request.output.enhance_prompt,
        aigc_watermark: request.output.watermark,
    };
    Ok(Call::post_json("/v1/video_generation", serde_json::to_vec(&body).expect("texts and numbers encode")))
}

struct Images {
    first: Option<String>,
    last: Option<String>,
    subject: Option<String>,
}

fn images(
    request: &GenerationRequest,
    model: &Model,
    context: &SubmitContext<'_>,
) -> Result<Images, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (mut firsts, mut lasts, mut subjects) =
        (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    if !of(Role::Video).is_empty() {
        return refuse("videos", "MiniMax's clips are made from words and images alone");
    }
    if firsts.len() > 1 || lasts.len() > 1 || subjects.len() > 1 {
        return refuse("images", "MiniMax's clips have one first frame, one last frame or one subject");
    }
    if !lasts.is_empty() && (firsts.is_empty() || !model.last_frame) {
        return refuse("images", "this model of MiniMax's takes no last frame, or none without a first");
    }
    let from_frames = !firsts.is_empty();
    if !subjects.is_empty() && (from_frames || !model.subject) {
        return refuse("images", "this model of MiniMax's takes no reference, or none beside frames");
    }
    if !from_frames && subjects.is_empty() && !model.from_words {
        return refuse("images", "clips of this model of MiniMax's begin with an image");
    }
    Ok(Images { first: firsts.pop(), last: lasts.pop(), subject: subjects.pop() })
}

/// The first frame decides the shape; without one there is a single shape.
fn check_shape(output: &OutputSpec, has_first_frame: bool) -> Result<(), Unsupported> {
    if let Some(size) = &output.size {
        return refuse("size", format!("{size}: MiniMax has resolutions, not sizes"));
    }
    let ratio = output.aspect_ratio.as_deref().filter(|ratio| !ratio.eq_ignore_ascii_case("auto"));
    match ratio.filter(|ratio| !has_first_frame && *ratio != USUAL_SHAPE) {
        Some(ratio) => refuse("aspect_ratio", format!("{ratio}: without a first frame MiniMax makes 16:9")),
        None => Ok(()),
    }
}

/// The resolution and the length, as far as the client has a say in them.
fn mode<'a>(output: &'a OutputSpec, model: &Model) -> Result<(Option<&'a str>, Option<u32>), Unsupported> {
    let enlarged = (output.upsample == Some(true)).then_some("1080p");
    let wanted = output.resolution.as_deref().or(enlarged);
    if model.modes.is_empty() {
        return Ok((wanted, output.duration_s));
    }
    // Nothing said is what the model makes first.
    let resolution = wanted.unwrap_or(model.modes[0].0);
    let Some((_, lengths)) = model.modes.iter().find(|(made, _)| *made == resolution) else {
        let made: Vec<&str> = model.modes.iter().map(|(made, _)| *made).collect();
        return refuse(
            "resolution",
            format!("{resolution}: this model of MiniMax's makes {}", made.join(", ")),
        );
    };
    let duration = output.duration_s.unwrap_or(USUAL_S);
    if !lengths.contains(&duration) {
        let lengths: Vec<String> = lengths.iter().map(u32::to_string).collect();
        let reason = format!(
            "{duration}: in {resolution}, clips of this model of MiniMax's have {} seconds",
            lengths.join(", ")
        );
        return refuse("duration", reason);
    }
    // A model without a choice is not told.
    let has_choice = model.modes.len() > 1;
    Ok((wanted.filter(|_| has_choice), output.duration_s.filter(|_| has_choice)))
}

fn refuse<T>(field: &'static str, reason: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported { field, reason: reason.into() })
}
