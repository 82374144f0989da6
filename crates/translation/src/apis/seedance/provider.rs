//! Seedance as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, OutputSpec, Pace, Reply, Role, Scope};
use http::StatusCode;

use super::Seedance;
use super::models::{Model, model};
use super::wire::{Address, Content, Generation, Task, TaskError, role, status};
use crate::apis::served_models;
use crate::refusal::{AUTH, BUSY, FAILED, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

const PATH: &str = "/api/v3/contents/generations/tasks";
const RATIOS: [&str; 7] = ["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"];
/// What Ark puts behind its messages, and no client needs.
const REQUEST_ID: &str = " request id:";

impl Provider for Seedance {
    fn name(&self) -> &'static str {
        "seedance"
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(20),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(30),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        refuse_all_but(&[Wish::Sound, Wish::Silence, Wish::AudioInput], request, "Seedance")?;
        if request.scope != Scope::Videos {
            return refuse("scope", format!("Seedance makes videos, not {}", request.scope.as_str()));
        }
        let (model, output) = (model(context.upstream_model), &request.output);
        let body = Generation {
            model: context.upstream_model,
            content: content(request, model, context)?,
            resolution: resolution(output, model)?,
            ratio: ratio(output)?,
            duration: duration(output, model)?,
            // Ark takes 32 bits; equal seeds stay equal.
            seed: output.seed.map(|seed| (seed & u64::from(u32::MAX)) as u32),
            generate_audio: sound(output, model)?,
            watermark: output.watermark,
        };
        Ok(Call::post_json(PATH, serde_json::to_vec(&body).expect("texts and numbers encode")))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let task: Task = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status.is_success() {
            return match web::handle(&task.id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        let error = task.error.unwrap_or_default();
        match refusal(&error, reply.status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(error.said()).failure_in(reply, error.said()))
            }
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
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
            return unclear("not Ark's JSON");
        };
        match task.status.to_ascii_lowercase().as_str() {
            status::QUEUED | status::RUNNING => Progress::Running { percent: None },
            status::SUCCEEDED => {
                let url = task.content.unwrap_or_default().video_url;
                match web::sources([url.as_str()], MediaKind::Video) {
                    sources if sources.is_empty() => unclear("finished without a usable URL"),
                    sources => Progress::Finished(Results::Kept(sources)),
                }
            }
            status::FAILED | status::CANCELLED | status::EXPIRED => {
                let error = task.error.unwrap_or_default();
                let refusal = if error.is_policy() { POLICY } else { FAILED.or_policy(error.said()) };
                Progress::Failed(refusal.failure_in(reply, error.said()))
            }
            _ => unclear("unknown status"),
        }
    }
}

/// The words, then the media, each with its part.
fn content<'a>(
    request: &'a GenerationRequest,
    model: &Model,
    context: &SubmitContext<'_>,
) -> Result<Vec<Content<'a>>, Unsupported> {
    check_inputs(request, model)?;
    let media = request.inputs.iter().map(|input| {
        let address = Address { url: input.media.url(context.base_url) };
        match input.role {
            Role::FirstFrame => Content::ImageUrl { image_url: address, role: role::FIRST_FRAME },
            Role::LastFrame => Content::ImageUrl { image_url: address, role: role::LAST_FRAME },
            Role::Reference | Role::Mask => {
                Content::ImageUrl { image_url: address, role: role::REFERENCE_IMAGE }
            }
            Role::Video => Content::VideoUrl { video_url: address, role: role::REFERENCE_VIDEO },
            Role::Audio => Content::AudioUrl { audio_url: address, role: role::REFERENCE_AUDIO },
        }
    });
    Ok([Content::Text { text: &request.prompt }].into_iter().chain(media).collect())
}

fn check_inputs(request: &GenerationRequest, model: &Model) -> Result<(), Unsupported> {
    let count = |role| request.inputs.iter().filter(|input| input.role == role).count();
    let (firsts, lasts, references) =
        (count(Role::FirstFrame), count(Role::LastFrame), count(Role::Reference));
    let media = count(Role::Video) + count(Role::Audio);
    if media > 0 && !model.takes_media {
        let field = if count(Role::Video) > 0 { "videos" } else { "audios" };
        return refuse(field, "this model of Seedance's takes words and images alone");
    }
    if firsts > 1 || lasts > 1 || firsts + lasts > model.frames_max {
        let max = model.frames_max;
        return refuse("images", format!("{} frames, this model of Seedance's takes {max}", firsts + lasts));
    }
    if lasts > firsts {
        return refuse("images", "Seedance takes no last frame without a first");
    }
    if references > model.references_max {
        let max = model.references_max;
        return refuse("images", format!("{references} references, this model of Seedance's takes {max}"));
    }
    if firsts > 0 && references + media > 0 {
        return refuse("images", "Seedance takes frames or references, not both");
    }
    if count(Role::Audio) > 0 && count(Role::Video) + references == 0 {
        return refuse("audios", "Seedance takes no sound without a clip or an image");
    }
    if request.inputs.is_empty() && !model.from_words {
        return refuse("images", "clips of this model of Seedance's begin with an image");
    }
    Ok(())
}

fn resolution<'a>(output: &'a OutputSpec, model: &Model) -> Result<Option<&'a str>, Unsupported> {
    if let Some(size) = &output.size {
        return refuse("size", format!("{size}: Seedance has ratios and resolutions, not sizes"));
    }
    let enlarged = (output.upsample == Some(true)).then_some("1080p");
    match output.resolution.as_deref().or(enlarged) {
        Some(wanted) if !model.resolutions.is_empty() && !model.resolutions.contains(&wanted) => {
            let made = model.resolutions.join(", ");
            refuse("resolution", format!("{wanted}: this model of Seedance's makes {made}"))
        }
        wanted => Ok(wanted),
    }
}

/// The shape of the images is Ark's default where there are some.
fn ratio(output: &OutputSpec) -> Result<Option<&str>, Unsupported> {
    match output.aspect_ratio.as_deref() {
        Some(ratio) if ratio.eq_ignore_ascii_case("auto") => Ok(None),
        Some(ratio) if !RATIOS.contains(&ratio) => {
            refuse("aspect_ratio", format!("{ratio}: Seedance makes {}", RATIOS.join(", ")))
        }
        ratio => Ok(ratio),
    }
}

fn duration(output: &OutputSpec, model: &Model) -> Result<Option<u32>, Unsupported> {
    match output.duration_s {
        Some(duration) if !model.duration_s.contains(&duration) => {
            let (min, max) = (model.duration_s.start(), model.duration_s.end());
            refuse(
                "duration",
                format!("{duration}: clips of this model of Seedance's have {min} to {max} seconds"),
            )
        }
        duration => Ok(duration),
    }
}

/// A model without sound is not told to make none.
fn sound(output: &OutputSpec, model: &Model) -> Result<Option<bool>, Unsupported> {
    match output.audio {
        Some(true) if !model.sound => refuse("audio", "this model of Seedance's makes no sound"),
        audio => Ok(audio.filter(|_| model.sound)),
    }
}

fn refuse<T>(field: &'static str, reason: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported { field, reason: reason.into() })
}

/// What a reply that accepts nothing proves: by Ark's own word, else by the status. Another status than that of a
/// client's error proves nothing, whatever the body says.
fn refusal(error: &TaskError, status: StatusCode) -> Option<Refusal> {
    if status.is_success() || Refusal::leaves_open(status) {
        return None;
    }
    match error.code.split('.').next().unwrap_or_default() {
        _ if error.is_policy() => Some(POLICY),
        // The account's money, and the limit that its owner has set.
        "AccountOverdueError" | "SetLimitExceeded" => Some(QUOTA),
        // Trial quota used up, or too many tasks that wait; only the message tells.
        "QuotaExceeded" if error.message.to_ascii_lowercase().contains("queue") => Some(BUSY),
        "QuotaExceeded" => Some(QUOTA),
        // The account may not use the model; the message has the account's number.
        "ModelNotOpen" | "AccessDenied" | "OperationDenied" => Some(AUTH),
        "InvalidEndpointOrModel" | "InvalidEndpoint" => Some(UNSERVED),
        _ => Refusal::by_status(status),
    }
}

impl TaskError {
    /// `InputTextSensitiveContentDetected`, `OutputVideoRiskDetection` and their kin.
    fn is_policy(&self) -> bool {
        let family = self.code.split('.').next().unwrap_or_default();
        family.ends_with("SensitiveContentDetected") || family.ends_with("RiskDetection")
    }

    /// The message without the id of the request.
    fn said(&self) -> &str {
        let lower = self.message.to_ascii_lowercase();
        lower.find(REQUEST_ID).map_or(&self.message, |at| &self.message[..at])
    }
}
