//! EvoLink as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, Pace, Reply, Role, Scope};
use http::StatusCode;
use serde_json::{Map, Value};

use super::wire::{CALLBACK, ErrorReply, Generation, HttpError, NAME, TaskError, TaskObject, status};
use super::{EvoLink, files};
use crate::apis::served_models;
use crate::refusal::{AUTH, FAILED, INVALID, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::wishes::{self, Wish};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported,
    UploadFile, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// What the names of EvoLink's own Veo models begin with: frames only, and no seed.
const VEO: &str = "veo3";
/// What the names begin with whose `quality` is no resolution.
const GPT_IMAGE: &str = "gpt-image";
/// Frames of a Veo clip: the first, or the first and the last.
const FRAMES_MAX: usize = 2;

impl Provider for EvoLink {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    /// EvoLink's clients wait 15 seconds, and then 10 to 15 between polls.
    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(15),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(15),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let (scope, output) = (request.scope, &request.output);
        let is_image = scope == Scope::Images;
        let ratio = output.aspect_ratio.as_deref();
        if !is_image && output.size.is_some() {
            return Err(unsupported("size", "EvoLink's videos have an aspect_ratio and a quality, no size"));
        }
        let whose = format!("EvoLink's {}", context.upstream_model);
        wishes::refuse_all_but(known(scope, context.upstream_model), request, &whose)?;
        let (quality, resolution) = resolution(request, context.upstream_model);
        let of = |role| web::input_urls(request, role, context.base_url);
        let body = Generation {
            model: context.upstream_model,
            prompt: &request.prompt,
            image_urls: images(request, context)?,
            video_urls: of(Role::Video),
            audio_urls: of(Role::Audio),
            mask_url: of(Role::Mask).into_iter().next(),
            aspect_ratio: ratio.filter(|_| scope == Scope::Videos),
            size: output.size.as_deref().or(ratio).filter(|_| is_image),
            quality,
            resolution,
            duration: output.duration_s,
            seed: output.seed.filter(|_| !context.upstream_model.starts_with(VEO)),
            n: output.count.filter(|_| is_image),
            generate_audio: output.audio.filter(|_| scope == Scope::Videos),
            negative_tags: output.negative_prompt.as_deref().filter(|_| scope == Scope::Audio),
            // EvoLink refuses any other.
            callback_url: context.callback_url.filter(|url| url.starts_with("https://")),
        };
        let path = match scope {
            Scope::Videos => "/v1/videos/generations",
            Scope::Images => "/v1/images/generations",
            Scope::Audio => "/v1/audios/generations",
        };
        Ok(Call::post_json(path, with_vendor(&body, request).to_string().into_bytes()))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let task: TaskObject = serde_json::from_slice(&reply.body).unwrap_or_default();
        let problem = match web::handle(&task.id) {
            Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
            Err(problem) if reply.status.is_success() => problem,
            _ => "neither accepted nor refused".to_owned(),
        };
        let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_default();
        let error = error.error.unwrap_or_default();
        match refusal(&error, reply.status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(&error.message).failure_in(reply, &error.message))
            }
            None => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("/v1/tasks/{}", web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Ok(task) = serde_json::from_slice::<TaskObject>(&reply.body) else {
            return unclear("not EvoLink's JSON");
        };
        match task.status.to_ascii_lowercase().as_str() {
            status::PENDING | status::PROCESSING => Progress::Running { percent: task.progress },
            status::COMPLETED => finished(&task, target.scope()).unwrap_or_else(|| match &task.error {
                Some(error) if !error.code.is_empty() => failed(error, reply),
                _ => unclear("finished without a usable URL"),
            }),
            status::FAILED | "cancelled" | "canceled" => {
                failed(task.error.as_ref().unwrap_or(&TaskError::default()), reply)
            }
            _ => unclear("unknown status"),
        }
    }

    /// The body is that of a poll.
    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let task: TaskObject = serde_json::from_slice(&call.body).ok()?;
        web::handle(&task.id).ok()
    }

    fn encode_upload(&self, file: &UploadFile<'_>) -> Option<Call> {
        Some(files::encode_call(file))
    }

    fn decode_upload(&self, reply: &Reply) -> Result<String, String> {
        files::decode_reply(reply)
    }
}

/// The wishes that a model has fields for.
fn known(scope: Scope, upstream_model: &str) -> &'static [Wish] {
    match scope {
        Scope::Videos if upstream_model.starts_with(VEO) => &[Wish::Sound, Wish::Silence],
        Scope::Videos => &[Wish::Sound, Wish::Silence, Wish::AudioInput],
        Scope::Images if upstream_model.starts_with(GPT_IMAGE) => &[Wish::Several, Wish::Quality, Wish::Mask],
        Scope::Images => &[Wish::Several, Wish::Mask],
        Scope::Audio => &[Wish::NegativePrompt],
    }
}

/// The images in EvoLink's order: the first frame, the last one, then references.
fn images(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Vec<String>, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    let is_veo = context.upstream_model.starts_with(VEO);
    if first.is_empty() && !last.is_empty() {
        return Err(unsupported("images", "EvoLink has no last frame without a first"));
    }
    if !references.is_empty() && !first.is_empty() {
        return Err(unsupported("images", "EvoLink cannot tell frames from references in one request"));
    }
    if !references.is_empty() && is_veo {
        return Err(unsupported("images", "EvoLink's Veo takes frames, no references"));
    }
    if is_veo && !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "EvoLink's Veo takes no videos"));
    }
    let images = [first, last, references].concat();
    if is_veo && images.len() > FRAMES_MAX {
        let reason = format!("{} frames, EvoLink's Veo takes {FRAMES_MAX}", images.len());
        return Err(unsupported("images", reason));
    }
    Ok(images)
}

/// `quality` and `resolution`, of which a model has one. The public names that end in `-4k` stand for the same models
/// with larger output.
fn resolution(request: &GenerationRequest, upstream_model: &str) -> (Option<String>, Option<String>) {
    let wanted = match &request.output.resolution {
        _ if request.model.ends_with("-4k") => Some("4k".to_owned()),
        Some(resolution) => Some(resolution.clone()),
        None if request.output.upsample == Some(true) => Some("1080p".to_owned()),
        None => None,
    };
    match request.scope {
        // Written 2K with images, 4k with videos.
        Scope::Images if upstream_model.starts_with(GPT_IMAGE) => {
            (request.output.quality.clone(), wanted.map(upper))
        }
        Scope::Images => (wanted.map(upper), None),
        Scope::Videos => (wanted, None),
        // Sound has none.
        Scope::Audio => (None, None),
    }
}

fn upper(text: String) -> String {
    text.to_ascii_uppercase()
}

/// The body with the client's own fields, if it speaks EvoLink's API, too; where both have a field, ours counts.
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

/// What a reply without a task id proves: by EvoLink's own word, else by the status.
fn refusal(error: &HttpError, status: StatusCode) -> Option<Refusal> {
    // Another status proves nothing, whatever the body says.
    if status.is_success() || Refusal::leaves_open(status) {
        return None;
    }
    match error.r#type.as_str() {
        "insufficient_quota_error" | "insufficient_quota" => Some(QUOTA),
        "authentication_error" | "permission_error" => Some(AUTH),
        "content_policy_violation" => Some(POLICY),
        "model_unavailable" | "not_found_error" => Some(UNSERVED),
        _ => Refusal::by_status(status),
    }
}

fn failed(error: &TaskError, reply: &Reply) -> Progress {
    let refusal = match error.code.as_str() {
        "content_policy_violation" => POLICY,
        "invalid_parameters" | "image_dimension_mismatch" | "image_processing_error" => INVALID,
        "quota_exceeded" => QUOTA,
        _ => FAILED,
    };
    Progress::Failed(refusal.or_policy(&error.message).failure_in(reply, &error.message))
}

/// `None` if there is no usable URL.
fn finished(task: &TaskObject, scope: Scope) -> Option<Progress> {
    let details =
        task.result_data.iter().flat_map(|item| [&item.video_url, &item.image_url, &item.audio_url]);
    // The same results in two places: the second counts only if the first is empty.
    let mut sources = web::sources(task.results.iter().map(String::as_str), scope.into());
    if sources.is_empty() {
        sources = web::sources(details.map(String::as_str), scope.into());
    }
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
