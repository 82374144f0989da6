//! Clips: submitted, remixed, polled, fetched.

use domain::{AssetId, Call, GenerationRequest, MediaKind, Reply, Role};
use http::{StatusCode, header};
use serde_json::Value;

use super::super::size;
use super::super::wire::{Generation, INPUT_REFERENCE, Remix, SIZE, Video, VideoError, status};
use super::body::{delivered, file, form, vendor_text, with_vendor};
use super::{is_policy, unsupported};
use crate::refusal::{FAILED, POLICY, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{Progress, Results, Unsupported, web};

/// Where clips are made and listed.
pub(super) const VIDEOS: &str = "/v1/videos";
const WHOSE: &str = "OpenAI's video API";

/// A form if there is an image, else JSON. Every clip has sound.
pub(super) fn encode(request: &GenerationRequest, model: &str) -> Result<Call, Unsupported> {
    refuse_all_but(&[Wish::Sound], request, WHOSE)?;
    let body = Generation {
        model,
        prompt: &request.prompt,
        seconds: request.output.duration_s.map(|seconds| seconds.to_string()),
        size: pixels(request)?,
    };
    let fields = with_vendor(&body, request);
    let Some((asset, media_type)) = image(request)? else {
        return Ok(Call::post_json(VIDEOS, Value::Object(fields).to_string().into_bytes()));
    };
    let mut form = form(fields);
    form.file(INPUT_REFERENCE, asset, media_type);
    Ok(form.post(VIDEOS))
}

/// Another clip like that of the task `handle`. It keeps what it is like; only the prompt is new.
pub(super) fn encode_remix(request: &GenerationRequest, handle: &str) -> Result<Call, Unsupported> {
    refuse_all_but(&[Wish::Sound, Wish::Remix], request, WHOSE)?;
    let output = &request.output;
    let kept = [
        ("images", !request.inputs.is_empty()),
        ("duration", output.duration_s.is_some()),
        ("aspect_ratio", output.aspect_ratio.is_some()),
        ("resolution", output.resolution.is_some() || output.upsample == Some(true)),
        (SIZE, output.size.is_some()),
    ];
    if let Some((field, _)) = kept.into_iter().find(|(_, wanted)| *wanted) {
        return Err(unsupported(field, "OpenAI's remixes take a prompt only"));
    }
    let fields = with_vendor(&Remix { prompt: &request.prompt }, request);
    let path = format!("{VIDEOS}/{}/remix", web::component(handle));
    Ok(Call::post_json(path, Value::Object(fields).to_string().into_bytes()))
}

/// The id of the task in the reply to a submission; empty if there is none.
pub(super) fn id(body: &[u8]) -> String {
    serde_json::from_slice::<Video>(body).unwrap_or_default().id
}

pub(super) fn encode_poll(handle: &str) -> Call {
    Call::get(format!("{VIDEOS}/{}", web::component(handle)))
}

pub(super) fn decode_poll(handle: &str, reply: &Reply) -> Progress {
    let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
    if reply.status != StatusCode::OK {
        return unclear("not a word on the task");
    }
    if let Some(results) = content(reply) {
        return Progress::Finished(results);
    }
    let Ok(video) = serde_json::from_slice::<Video>(&reply.body) else {
        return unclear("not this API's JSON");
    };
    match video.status.to_ascii_lowercase().as_str() {
        // The second line is other hosts' own; `unknown` is what they say while they do not know.
        status::QUEUED | status::IN_PROGRESS => Progress::Running { percent: video.progress },
        "processing" | "pending" | "submitted" | "unknown" => Progress::Running { percent: video.progress },
        status::COMPLETED | "succeeded" => finished(handle, &video),
        status::FAILED | "cancelled" | "canceled" => failed(&video.error.unwrap_or_default(), reply),
        _ => unclear("unknown status"),
    }
}

/// The client's own size, if it gave one in pixels, else the one of the shape and the resolution that it wants.
fn pixels(request: &GenerationRequest) -> Result<Option<String>, Unsupported> {
    let output = &request.output;
    if let Some(size) = vendor_text(request, SIZE).or(output.size.as_deref()) {
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
        (Some(ratio), resolution) => size::videos::of(ratio, resolution).map(Some).ok_or_else(|| {
            let wanted = resolution.unwrap_or("the usual resolution");
            unsupported("aspect_ratio", format!("no size in pixels is {ratio} in {wanted}"))
        }),
    }
}

/// The one image that this API takes: it is where the clip begins, or what it keeps to.
fn image(request: &GenerationRequest) -> Result<Option<(&AssetId, &str)>, Unsupported> {
    let has = |role| request.inputs.iter().any(|input| input.role == role);
    if has(Role::Video) {
        return Err(unsupported("videos", "OpenAI's videos take no videos"));
    }
    if has(Role::LastFrame) {
        return Err(unsupported("images", "OpenAI's videos take no last frame"));
    }
    match request.inputs.as_slice() {
        [] => Ok(None),
        [image] => file(image).map(Some),
        images => Err(unsupported("images", format!("{} images, OpenAI's videos take one", images.len()))),
    }
}

/// Hosts have the URL in one of three places; where there is none, the bytes lie behind the task.
fn finished(handle: &str, video: &Video) -> Progress {
    let metadata = video.metadata.as_ref().map_or("", |metadata| &metadata.url);
    let places = [&video.url, &video.video_url, metadata].into_iter();
    let mut found = places.map(|url| web::sources([url], MediaKind::Video)).filter(|found| !found.is_empty());
    match found.next() {
        Some(sources) => Progress::Finished(Results::Kept(sources)),
        None => {
            let path = format!("{VIDEOS}/{}/content", web::component(handle));
            Progress::Elsewhere(Box::new(Call::get(path)))
        }
    }
}

/// The clip itself, in the reply to what [`finished`] asks for.
fn content(reply: &Reply) -> Option<Results> {
    let media_type = reply.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_clip = media_type.starts_with("video/") && !reply.body.is_empty();
    is_clip.then(|| Results::Delivered(vec![delivered(MediaKind::Video, reply)]))
}

fn failed(error: &VideoError, reply: &Reply) -> Progress {
    let refusal = if is_policy(&error.code) { POLICY } else { FAILED };
    Progress::Failed(refusal.or_policy(&error.message).failure_in(reply, &error.message))
}
