//! Luma as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Derivation, GenerationRequest, MediaKind, Pace, Reply, Role, Scope};
use http::StatusCode;
use serde::Serialize;

use super::wire::{ErrorReply, Generation, Keyframe, Keyframes, NAME, Task, Upscale, state};
use super::{Luma, find};
use crate::apis::served_models;
use crate::refusal::{FAILED, INVALID, QUOTA, Refusal, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{
    Found, LostSubmission, PollTarget, Progress, Provider, Results, ServedModel, SubmitContext,
    SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

const PATH: &str = "/dream-machine/v1/generations";
const ASPECT_RATIOS: [&str; 7] = ["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"];
const RESOLUTIONS: [&str; 4] = ["540p", "720p", "1080p", "4k"];
/// Clip lengths in seconds.
const DURATIONS_S: [u32; 2] = [5, 9];

impl Provider for Luma {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(15),
            shortest: Duration::from_secs(3),
            longest: Duration::from_secs(15),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        if request.scope != Scope::Videos {
            let reason = format!("Luma's Ray makes videos, not {}", request.scope.as_str());
            return Err(unsupported("scope", reason));
        }
        // No clip has sound.
        refuse_all_but(&[Wish::Silence, Wish::Upscale], request, "Luma's Ray")?;
        let upscaled = request.basis.as_ref().filter(|basis| basis.derivation == Derivation::Upscale);
        if let Some(basis) = upscaled {
            let body = Upscale {
                generation_type: "upscale_video",
                resolution: resolution(request)?,
                callback_url: context.callback_url,
            };
            return Ok(post(&format!("{PATH}/{}/upscale", web::component(&basis.handle)), &body));
        }
        let body = Generation {
            model: context.upstream_model,
            prompt: &request.prompt,
            aspect_ratio: aspect_ratio(request)?,
            duration: duration(request)?,
            resolution: resolution(request)?,
            keyframes: keyframes(request, context)?,
            callback_url: context.callback_url,
        };
        Ok(post(&format!("{PATH}/video"), &body))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let created: Task = serde_json::from_slice(&reply.body).unwrap_or_default();
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
        Call::get(format!("{PATH}/{}", web::component(target.handle)))
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Ok(task) = serde_json::from_slice::<Task>(&reply.body) else {
            return unclear("not this API's JSON");
        };
        match task.state.as_str() {
            state::QUEUED | state::DREAMING => Progress::Running { percent: None },
            state::COMPLETED => {
                let sources =
                    web::sources(task.assets.iter().map(|assets| assets.video.as_str()), MediaKind::Video);
                if sources.is_empty() {
                    return unclear("finished without a usable URL");
                }
                Progress::Finished(Results::Kept(sources))
            }
            state::FAILED => {
                let said = &task.failure_reason;
                Progress::Failed(FAILED.or_policy(said).failure_in(reply, said))
            }
            _ => unclear("unknown state"),
        }
    }

    fn encode_find(&self, lost: &LostSubmission<'_>) -> Option<Call> {
        find::encode(PATH, lost)
    }

    fn decode_find(&self, lost: &LostSubmission<'_>, reply: &Reply) -> Found {
        find::decode(lost, reply)
    }

    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let task: Task = serde_json::from_slice(&call.body).ok()?;
        web::handle(&task.id).ok()
    }
}

fn post(path: &str, body: &impl Serialize) -> Call {
    Call::post_json(path, serde_json::to_vec(body).expect("texts and numbers encode"))
}

/// Dropped, because the API has no such fields and the clip costs the same without: `seed`, `enhance_prompt`,
/// `watermark`.
fn aspect_ratio(request: &GenerationRequest) -> Result<Option<&str>, Unsupported> {
    let output = &request.output;
    if let Some(size) = &output.size {
        return Err(unsupported("size", format!("{size}: Luma has ratios and resolutions, not sizes")));
    }
    match output.aspect_ratio.as_deref() {
        Some(ratio) if ratio.eq_ignore_ascii_case("auto") => Ok(None),
        Some(ratio) if !ASPECT_RATIOS.contains(&ratio) => {
            Err(unsupported("aspect_ratio", format!("{ratio}: Luma makes {}", ASPECT_RATIOS.join(", "))))
        }
        ratio => Ok(ratio),
    }
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(request: &GenerationRequest) -> Result<Option<&str>, Unsupported> {
    let output = &request.output;
    match output.resolution.as_deref() {
        _ if request.model.ends_with("-4k") => Ok(Some("4k")),
        Some(resolution) if !RESOLUTIONS.contains(&resolution) => {
            Err(unsupported("resolution", format!("{resolution}: Luma makes {}", RESOLUTIONS.join(", "))))
        }
        None if output.upsample == Some(true) => Ok(Some("1080p")),
        resolution => Ok(resolution),
    }
}

fn duration(request: &GenerationRequest) -> Result<Option<String>, Unsupported> {
    match request.output.duration_s {
        Some(seconds) if !DURATIONS_S.contains(&seconds) => {
            Err(unsupported("duration", format!("{seconds}: Luma makes 5 and 9 seconds")))
        }
        seconds => Ok(seconds.map(|seconds| format!("{seconds}s"))),
    }
}

fn keyframes(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Keyframes, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "this part of Luma's API takes no videos"));
    }
    let (mut first, mut last) = (of(Role::FirstFrame), of(Role::LastFrame));
    if first.len() > 1 || last.len() > 1 || !of(Role::Reference).is_empty() {
        return Err(unsupported("images", "Luma takes one first frame and one last frame"));
    }
    let frame = |url| Keyframe { r#type: "image", url };
    Ok(Keyframes { frame0: first.pop().map(frame), frame1: last.pop().map(frame) })
}

/// What a reply without an id proves: by its words, else by the status. An account without credits is told so with 400.
fn refusal(said: &str, status: StatusCode) -> Option<Refusal> {
    let refusal = Refusal::by_status(status)?;
    let no_credits = refusal == INVALID && said.to_ascii_lowercase().contains("insufficient credits");
    Some(if no_credits { QUOTA } else { refusal })
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
