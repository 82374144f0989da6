//! Runway as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, Pace, Reply, Role, Scope};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Runway;
use super::models::{self, Model, Size, Sound};
use super::wire::{
    Created, ErrorReply, Generation, NAME, PlacedImage, PromptImage, Task, VERSION, VERSION_HEADER, status,
};
use crate::apis::served_models;
use crate::refusal::{FAILED, INVALID, POLICY, QUOTA, Refusal, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// Code units of UTF-16 in a prompt.
const PROMPT_UNITS_MAX: usize = 1000;
/// A seed is a number of 32 bits; others are folded into them.
const SEED_MASK: u64 = 0xffff_ffff;

impl Provider for Runway {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    /// Runway asks for at most one poll in five seconds.
    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(15),
            shortest: Duration::from_secs(6),
            longest: Duration::from_secs(20),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let Some(model) = models::model(context.upstream_model) else {
            return Err(unsupported(
                "model",
                format!("{}: its fields are not known", context.upstream_model),
            ));
        };
        check(request, model)?;
        let prompt_image = images(request, model, context)?;
        let (path, sizes) = match prompt_image {
            Some(_) => ("/v1/image_to_video", model.from_image),
            None => ("/v1/text_to_video", model.from_text),
        };
        let output = &request.output;
        let body = Generation {
            model: model.name,
            prompt_text: &request.prompt,
            prompt_image,
            ratio: ratio(request, model, sizes)?,
            duration: duration(request, model)?,
            seed: output.seed.filter(|_| model.seed).map(|seed| seed & SEED_MASK),
            audio: output.audio.filter(|_| model.sound == Sound::AsAsked),
            negative_prompt: output.negative_prompt.as_deref(),
        };
        Ok(versioned(Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode"))))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let created: Created = serde_json::from_slice(&reply.body).unwrap_or_default();
        let problem = match web::handle(&created.id) {
            Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
            Err(problem) if reply.status.is_success() => problem,
            _ => "neither accepted nor refused".to_owned(),
        };
        let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_default();
        let said = error.said();
        match refusal(&said, reply.status) {
            Some(refusal) => SubmitOutcome::Rejected(refusal.or_policy(&said).failure_in(reply, &said)),
            None => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        versioned(Call::get(path(target)))
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Ok(task) = serde_json::from_slice::<Task>(&reply.body) else {
            return unclear("not this API's JSON");
        };
        match task.status.as_str() {
            status::PENDING | status::THROTTLED => Progress::Running { percent: None },
            status::RUNNING => Progress::Running { percent: percent(&task.progress) },
            status::SUCCEEDED => {
                let sources = web::sources(task.output.iter().map(String::as_str), MediaKind::Video);
                if sources.is_empty() {
                    return unclear("finished without a usable URL");
                }
                Progress::Finished(Results::Kept(sources))
            }
            status::FAILED | status::CANCELLED => {
                let refusal = of_failure(&task.failure_code);
                Progress::Failed(refusal.or_policy(&task.failure).failure_in(reply, &task.failure))
            }
            _ => unclear("unknown status"),
        }
    }

    /// The same call deletes what a finished task has made; whoever stops a task does not want that, either.
    fn encode_cancel(&self, target: &PollTarget<'_>) -> Option<Call> {
        Some(versioned(Call::get(path(target)).with_method(Method::DELETE)))
    }
}

fn path(target: &PollTarget<'_>) -> String {
    format!("/v1/tasks/{}", web::component(target.handle))
}

fn versioned(mut call: Call) -> Call {
    call.headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static(VERSION));
    call
}

/// Refuses what has no field. Dropped, because no field of the API is like them and the clip costs the same without:
/// `enhance_prompt`, `watermark`, and the seed of models that take none.
fn check(request: &GenerationRequest, model: &Model) -> Result<(), Unsupported> {
    if request.scope != Scope::Videos {
        let reason = format!("this part of Runway's API makes videos, not {}", request.scope.as_str());
        return Err(unsupported("scope", reason));
    }
    let mut known = match model.sound {
        Sound::Never => vec![Wish::Silence],
        Sound::Always => vec![Wish::Sound],
        Sound::AsAsked => vec![Wish::Sound, Wish::Silence],
    };
    known.extend(model.negative_prompt.then_some(Wish::NegativePrompt));
    refuse_all_but(&known, request, &format!("Runway's {}", model.name))?;
    let units = request.prompt.encode_utf16().count();
    if units > PROMPT_UNITS_MAX {
        let reason = format!("{units} characters, Runway takes {PROMPT_UNITS_MAX}");
        return Err(unsupported("prompt", reason));
    }
    Ok(())
}

/// The frames, by address: Runway fetches them.
fn images(
    request: &GenerationRequest,
    model: &Model,
    context: &SubmitContext<'_>,
) -> Result<Option<PromptImage>, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "this part of Runway's API takes no videos"));
    }
    let (mut first, mut last) = (of(Role::FirstFrame), of(Role::LastFrame));
    match (first.len(), last.len(), of(Role::Reference).len()) {
        (0, 0, 0) if model.from_text.is_empty() => {
            Err(unsupported("images", format!("Runway's {} wants an image to begin with", model.name)))
        }
        (0, 0, 0) => Ok(None),
        (1, 0, 0) => Ok(first.pop().map(PromptImage::First)),
        (1, 1, 0) if model.last_frame => {
            let place =
                |uris: &mut Vec<String>, position| uris.pop().map(|uri| PlacedImage { uri, position });
            let placed = [place(&mut first, "first"), place(&mut last, "last")];
            Ok(Some(PromptImage::Placed(placed.into_iter().flatten().collect())))
        }
        _ => {
            let last = if model.last_frame { ", and with it one last frame" } else { "" };
            Err(unsupported("images", format!("Runway's {} takes one first frame{last}", model.name)))
        }
    }
}

/// The pixels of what is asked for; 16:9 in 720p where the client leaves it open.
fn ratio(
    request: &GenerationRequest,
    model: &Model,
    sizes: &'static [Size],
) -> Result<&'static str, Unsupported> {
    let output = &request.output;
    // The public names that end in `-4k` stand for the same models with larger output.
    let resolution = match output.resolution.as_deref() {
        _ if request.model.ends_with("-4k") => Some("4k"),
        Some(resolution) => Some(resolution),
        None => (output.upsample == Some(true)).then_some("1080p"),
    };
    models::find(sizes, output, resolution).map(|size| size.pixels).ok_or_else(|| {
        let pixels: Vec<&str> = sizes.iter().map(|size| size.pixels).collect();
        let field = match (&output.size, &output.aspect_ratio) {
            (Some(_), _) => "size",
            (None, Some(_)) => "aspect_ratio",
            (None, None) => "resolution",
        };
        unsupported(field, format!("Runway's {} makes {}", model.name, pixels.join(", ")))
    })
}

fn duration(request: &GenerationRequest, model: &Model) -> Result<Option<u32>, Unsupported> {
    match request.output.duration_s {
        Some(seconds) if !model.durations_s.contains(&seconds) => {
            let seconds_list: Vec<String> = model.durations_s.iter().map(u32::to_string).collect();
            let reason =
                format!("{seconds}: Runway's {} makes {} seconds", model.name, seconds_list.join(", "));
            Err(unsupported("duration", reason))
        }
        Some(seconds) => Ok(Some(seconds)),
        None => Ok(model.duration_s),
    }
}

/// What a reply without an id proves: by its words, else by the status. An account without credits is told so with 400.
fn refusal(said: &str, status: StatusCode) -> Option<Refusal> {
    let refusal = Refusal::by_status(status)?;
    let no_credits = refusal == INVALID && said.to_ascii_lowercase().contains("enough credits");
    Some(if no_credits { QUOTA } else { refusal })
}

/// What the code of a failed task says: whose fault it was.
fn of_failure(code: &str) -> Refusal {
    match code {
        code if code.split('.').any(|part| part == "SAFETY") => POLICY,
        "ASSET.INVALID" => INVALID,
        _ => FAILED,
    }
}

/// `0.42` as `42`.
fn percent(progress: &str) -> Option<u8> {
    let share: f64 = progress.parse().ok()?;
    share.is_finite().then(|| (share.clamp(0.0, 1.0) * 100.0) as u8)
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
