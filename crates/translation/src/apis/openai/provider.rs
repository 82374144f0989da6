//! Another host of OpenAI's Videos as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, Pace, Reply, Role, Scope, Vendor};
use http::StatusCode;
use serde_json::{Map, Value};

use super::wire::{ErrorReply, Generation, InputReference, NAME, SIZE, Video, VideoError, status};
use super::{OpenAi, size};
use crate::apis::served_models;
use crate::refusal::{AUTH, FAILED, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(10),
            shortest: Duration::from_secs(3),
            longest: Duration::from_secs(15),
        }
    }

    /// As JSON, since images go by reference.
    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        if request.scope != Scope::Videos {
            let reason = format!("this part of OpenAI's API makes videos, not {}", request.scope.as_str());
            return Err(unsupported("scope", reason));
        }
        let body = Generation {
            model: context.upstream_model,
            prompt: &request.prompt,
            seconds: request.output.duration_s.map(|seconds| seconds.to_string()),
            size: pixels(request)?,
            input_reference: image(request, context)?.map(|image_url| InputReference { image_url }),
        };
        Ok(Call::post_json("/v1/videos", with_vendor(&body, request).to_string().into_bytes()))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let video: Video = serde_json::from_slice(&reply.body).unwrap_or_default();
        let problem = match web::handle(&video.id) {
            Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
            Err(problem) if reply.status.is_success() => problem,
            _ => "neither accepted nor refused".to_owned(),
        };
        let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_default();
        let error = error.into_error();
        match refusal(&error.code, &error.r#type, reply.status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(&error.message).failure_in(reply, &error.message))
            }
            None => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("/v1/videos/{}", web::component(target.handle)))
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Ok(video) = serde_json::from_slice::<Video>(&reply.body) else {
            return unclear("not this API's JSON");
        };
        match video.status.to_ascii_lowercase().as_str() {
            // The second line is other hosts' own; `unknown` is what they say while they do not know.
            status::QUEUED | status::IN_PROGRESS => Progress::Running { percent: video.progress },
            "processing" | "pending" | "submitted" | "unknown" => {
                Progress::Running { percent: video.progress }
            }
            status::COMPLETED | "succeeded" => {
                finished(&video).unwrap_or_else(|| unclear("finished without a usable URL"))
            }
            status::FAILED | "cancelled" | "canceled" => failed(&video.error.unwrap_or_default(), reply),
            _ => unclear("unknown status"),
        }
    }
}

/// The client's own size, if it gave one in pixels, else the one of the shape and the resolution that it wants.
fn pixels(request: &GenerationRequest) -> Result<Option<String>, Unsupported> {
    let output = &request.output;
    let given = vendor(request).and_then(|vendor| vendor.fields.get(SIZE)?.as_str());
    if let Some(size) = given.or(output.size.as_deref()) {
        return match size::parse(size) {
            Some((width, height)) => Ok(Some(format!("{width}x{height}"))),
            None => Err(unsupported(SIZE, "OpenAI's videos have a size in pixels, as 1280x720")),
        };
    }
    // The public names that end in `-4k` stand for the same models with larger output.
    let resolution = match &output.resolution {
        _ if request.model.ends_with("-4k") => Some("4k"),
        Some(resolution) => Some(resolution.as_str()),
        None => output.upsample.unwrap_or_default().then_some("1080p"),
    };
    match (output.aspect_ratio.as_deref(), resolution) {
        (None, None) => Ok(None),
        (Some(ratio), None) if ratio.eq_ignore_ascii_case("auto") => Ok(None),
        (None, Some(_)) => {
            Err(unsupported("resolution", "OpenAI's videos have a size, which takes an aspect_ratio, too"))
        }
        (Some(ratio), resolution) => size::of(ratio, resolution).map(Some).ok_or_else(|| {
            let wanted = resolution.unwrap_or("the usual resolution");
            unsupported("aspect_ratio", format!("no size in pixels is {ratio} in {wanted}"))
        }),
    }
}

/// The one image that this API takes: it is where the clip begins, or what it keeps to.
fn image(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Option<String>, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "OpenAI's videos take no videos"));
    }
    if !of(Role::LastFrame).is_empty() {
        return Err(unsupported("images", "OpenAI's videos take no last frame"));
    }
    let mut images = [of(Role::FirstFrame), of(Role::Reference)].concat();
    match images.len() {
        0 | 1 => Ok(images.pop()),
        count => Err(unsupported("images", format!("{count} images, OpenAI's videos take one"))),
    }
}

/// The body with the client's own fields, if it speaks this API, too; where both have a field, ours counts.
fn with_vendor(body: &Generation<'_>, request: &GenerationRequest) -> Value {
    let mut fields: Map<String, Value> = match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct of texts encodes as an object"),
    };
    for (name, value) in vendor(request).iter().flat_map(|vendor| &vendor.fields) {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    Value::Object(fields)
}

fn vendor(request: &GenerationRequest) -> Option<&Vendor> {
    request.vendor.as_ref().filter(|vendor| vendor.api == NAME)
}

/// What a reply without a task id proves: by its own words, else by the status. 429 is also the status of an account
/// without money.
fn refusal(code: &str, r#type: &str, status: StatusCode) -> Option<Refusal> {
    // Another status proves nothing, whatever the body says.
    if !status.is_client_error() {
        return None;
    }
    match code {
        "insufficient_quota" | "insufficient_user_quota" | "billing_hard_limit_reached" => Some(QUOTA),
        "invalid_api_key" => Some(AUTH),
        "model_not_found" => Some(UNSERVED),
        "moderation_blocked" | "content_policy_violation" => Some(POLICY),
        _ if r#type == "insufficient_quota" => Some(QUOTA),
        _ => Refusal::by_status(status),
    }
}

fn failed(error: &VideoError, reply: &Reply) -> Progress {
    let refusal = match error.code.as_str() {
        "moderation_blocked" | "content_policy_violation" => POLICY,
        _ => FAILED,
    };
    Progress::Failed(refusal.or_policy(&error.message).failure_in(reply, &error.message))
}

/// `None` if there is no usable URL: hosts have it in one of three places, and some have none.
fn finished(video: &Video) -> Option<Progress> {
    let metadata = video.metadata.as_ref().map_or("", |metadata| &metadata.url);
    let places = [&video.url, &video.video_url, metadata].into_iter();
    let mut found = places.map(|url| web::sources([url], MediaKind::Video)).filter(|found| !found.is_empty());
    found.next().map(|sources| Progress::Finished(Results::Kept(sources)))
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
