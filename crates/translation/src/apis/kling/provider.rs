//! Kling as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{
    Call, Credential, GenerationRequest, MediaKind, OutputSpec, Pace, Reply, Role, Scope, Timestamp,
};

use super::models::{Model, Wanted, model};
use super::wire::{Envelope, Generation, ListedImage, TaskData, WatermarkInfo, status};
use super::{Kling, find, token};
use crate::apis::served_models;
use crate::refusal::{AUTH, BUSY, FAILED, INVALID, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{
    Found, LostSubmission, PollTarget, Progress, Provider, Results, ServedModel, SubmitContext,
    SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

const ASPECT_RATIOS: [&str; 3] = ["16:9", "9:16", "1:1"];

impl Provider for Kling {
    fn name(&self) -> &'static str {
        "kling"
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(30),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(30),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        refuse_all_but(&[Wish::NegativePrompt, Wish::Sound, Wish::Silence], request, "Kling")?;
        check_kind(request)?;
        let model = model(context.upstream_model);
        let Images { first, last, references } = images(request, model, context)?;
        let output = &request.output;
        let sound = output.audio == Some(true);
        let mode =
            model.mode(Wanted { resolution: resolution(output), last_frame: last.is_some(), sound })?;
        let body = Generation {
            model_name: context.upstream_model,
            prompt: &request.prompt,
            negative_prompt: output.negative_prompt.as_deref(),
            // The first frame decides the shape; with one, there is no such field.
            aspect_ratio: if first.is_some() { None } else { aspect_ratio(output)? },
            image: first,
            image_tail: last,
            image_list: references.into_iter().map(|image| ListedImage { image }).collect(),
            // Where there is no sound, none has to be turned off.
            sound: output.audio.filter(|_| mode.sound).map(|sound| if sound { "on" } else { "off" }),
            mode: mode.name,
            duration: duration(output, model)?,
            watermark_info: output.watermark.map(|enabled| WatermarkInfo { enabled }),
            external_task_id: context.attempt_key,
            callback_url: context.callback_url,
        };
        Ok(Call::post_json(path(request), serde_json::to_vec(&body).expect("texts and switches encode")))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let Envelope { code, message, data } = serde_json::from_slice(&reply.body).unwrap_or_default();
        if code == Some(0) && reply.status.is_success() {
            return match web::handle(&data.unwrap_or_default().task_id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        let by_status = Refusal::by_status(reply.status);
        let by_code = code.and_then(refusal).filter(|_| !Refusal::leaves_open(reply.status));
        match by_code.unwrap_or(by_status) {
            Some(refusal) => SubmitOutcome::Rejected(refusal.or_policy(&message).failure_in(reply, &message)),
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("{}/{}", path(target.request), web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&reply.body) else {
            return unclear("not Kling's JSON");
        };
        let (Some(0), Some(task), true) = (envelope.code, envelope.data, reply.status.is_success()) else {
            return unclear("not a word on the task");
        };
        match task.task_status.to_ascii_lowercase().as_str() {
            status::SUBMITTED | status::PROCESSING => Progress::Running { percent: None },
            status::SUCCEED => {
                let marked = target.request.output.watermark == Some(true);
                finished(&task, marked).unwrap_or_else(|| unclear("finished without a usable URL"))
            }
            status::FAILED => {
                let said = &task.task_status_msg;
                // The sentence with which Kling refuses content that it has begun to work on.
                let refused = said.to_ascii_lowercase().contains("risk control");
                let refusal = if refused { POLICY } else { FAILED.or_policy(said) };
                Progress::Failed(refusal.failure_in(reply, said))
            }
            _ => unclear("unknown task_status"),
        }
    }

    fn encode_find(&self, lost: &LostSubmission<'_>) -> Option<Call> {
        find::encode(path(lost.request), lost)
    }

    fn decode_find(&self, lost: &LostSubmission<'_>, reply: &Reply) -> Found {
        find::decode(lost, reply)
    }

    /// The body is the task itself, without the envelope.
    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let task: TaskData = serde_json::from_slice(&call.body).ok()?;
        web::handle(&task.task_id).ok()
    }

    fn authorize(&self, call: Call, credential: &Credential, now: Timestamp) -> Call {
        let credential = credential.expose();
        match token::sign(credential, now) {
            Some(token) => call.with_bearer(&token),
            None => call.with_bearer(credential),
        }
    }
}

/// The path of a task, which what goes in decides.
fn path(request: &GenerationRequest) -> &'static str {
    let has = |role| request.inputs.iter().any(|input| input.role == role);
    if has(Role::FirstFrame) {
        "/v1/videos/image2video"
    } else if has(Role::Reference) {
        "/v1/videos/multi-image2video"
    } else {
        "/v1/videos/text2video"
    }
}

/// Kling makes clips of words and images alone.
fn check_kind(request: &GenerationRequest) -> Result<(), Unsupported> {
    let refuse = |field, reason: String| Err(Unsupported { field, reason });
    if request.scope != Scope::Videos {
        return refuse("scope", format!("Kling makes videos, not {}", request.scope.as_str()));
    }
    if let Some(size) = &request.output.size {
        return refuse("size", format!("{size}: Kling has ratios and resolutions, not sizes"));
    }
    if request.inputs.iter().any(|input| input.role == Role::Video) {
        return refuse("videos", "Kling's clips are made from words and images alone".to_owned());
    }
    Ok(())
}

struct Images {
    first: Option<String>,
    last: Option<String>,
    references: Vec<String>,
}

fn images(
    request: &GenerationRequest,
    model: &Model,
    context: &SubmitContext<'_>,
) -> Result<Images, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (mut firsts, mut lasts, references) =
        (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    let refuse = |reason: String| Err(Unsupported { field: "images", reason });
    let frames = firsts.len() + lasts.len();
    if firsts.len() > 1 || lasts.len() > 1 {
        return refuse("Kling's clips have one first and one last frame".to_owned());
    }
    if firsts.is_empty() && !lasts.is_empty() {
        return refuse("Kling takes no last frame without a first".to_owned());
    }
    if frames > 0 && !references.is_empty() {
        return refuse("Kling takes frames or references, not both".to_owned());
    }
    if references.len() > model.references_max {
        let (count, max) = (references.len(), model.references_max);
        return refuse(format!("{count} references, this model of Kling's takes {max}"));
    }
    if frames + references.len() == 0 && !model.from_words {
        return refuse("clips of this model of Kling's begin with an image".to_owned());
    }
    Ok(Images { first: firsts.pop(), last: lasts.pop(), references })
}

fn resolution(output: &OutputSpec) -> Option<&str> {
    output.resolution.as_deref().or((output.upsample == Some(true)).then_some("1080p"))
}

/// Kling's default is 16:9.
fn aspect_ratio(output: &OutputSpec) -> Result<Option<&str>, Unsupported> {
    match output.aspect_ratio.as_deref() {
        Some(ratio) if ratio.eq_ignore_ascii_case("auto") => Ok(None),
        Some(ratio) if !ASPECT_RATIOS.contains(&ratio) => {
            let reason = format!("{ratio}: Kling makes {}", ASPECT_RATIOS.join(", "));
            Err(Unsupported { field: "aspect_ratio", reason })
        }
        ratio => Ok(ratio),
    }
}

fn duration(output: &OutputSpec, model: &Model) -> Result<Option<String>, Unsupported> {
    let Some(duration) = output.duration_s else { return Ok(None) };
    if !model.durations_s.is_empty() && !model.durations_s.contains(&duration) {
        let allowed: Vec<String> = model.durations_s.iter().map(u32::to_string).collect();
        let reason =
            format!("{duration}: clips of this model of Kling's have {} seconds", allowed.join(", "));
        return Err(Unsupported { field: "duration", reason });
    }
    Ok(Some(duration.to_string()))
}

/// What a `code` in Kling's list proves: `Some(None)` is a server error, which proves nothing; `None` is not in the list.
fn refusal(code: i64) -> Option<Option<Refusal>> {
    Some(match code {
        // Among them an account that is out of order or may not use the model, and an address that is not let in.
        1000..=1004 | 1100 | 1103 | 1304 => Some(AUTH),
        1101 | 1102 => Some(QUOTA),
        // No such model.
        1202 | 1203 => Some(UNSERVED),
        1200 | 1201 => Some(INVALID),
        1300 | 1301 => Some(POLICY),
        1302 | 1303 => Some(BUSY),
        0 | 5000..=5002 => None,
        _ => return None,
    })
}

/// `None` if there is no usable URL.
fn finished(task: &TaskData, marked: bool) -> Option<Progress> {
    let videos = &task.task_result.as_ref()?.videos;
    let urls = videos.iter().map(|video| match video.watermark_url.as_str() {
        "" => &video.url,
        _ if marked => &video.watermark_url,
        _ => &video.url,
    });
    let sources = web::sources(urls.map(String::as_str), MediaKind::Video);
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}
