//! fal as an upstream, for its Veo models.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Credential, GenerationRequest, MediaKind, Pace, Reply, Role, Scope, Timestamp};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::Fal;
use super::wire::{ErrorReply, NAME, Output, Queued, Veo, WEBHOOK, status};
use crate::apis::served_models;
use crate::refusal::{FAILED, INVALID, QUOTA, Refusal, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// The one model that takes reference images.
const WITH_REFERENCES: &str = "fal-ai/veo3.1";
/// The model that makes no 4k, and only its longest clips from two frames or in 1080p.
const LITE: &str = "fal-ai/veo3.1/lite";
/// Most reference images.
const REFERENCES_MAX: usize = 3;
/// Clip lengths in seconds.
const DURATIONS_S: [u32; 3] = [4, 6, 8];
/// What a model says when it was not the request's fault.
const FAULTS: [&str; 5] = [
    "internal_server_error",
    "generation_timeout",
    "downstream_service_error",
    "downstream_service_unavailable",
    "no_media_generated",
];

impl Provider for Fal {
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

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        if request.scope != Scope::Videos {
            let reason = format!("fal's Veo makes videos, not {}", request.scope.as_str());
            return Err(unsupported("scope", reason));
        }
        let (way, images) = images(request, context)?;
        let resolution = resolution(request, context.upstream_model)?;
        let body = Veo {
            prompt: &request.prompt,
            aspect_ratio: aspect_ratio(request, way)?,
            duration: duration(request, (way, resolution), context.upstream_model)?,
            resolution,
            seed: request.output.seed,
            vendor: vendor(request),
            ..images
        };
        let path = format!("/{}{}", segments(context.upstream_model), way.path());
        Ok(Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode")))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        if reply.status.is_success() {
            let queued: Queued = serde_json::from_slice(&reply.body).unwrap_or_default();
            return match web::handle(&queued.request_id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        let error = ErrorReply::parse(&reply.body);
        let said = error.said();
        let refusal = match Refusal::by_status(reply.status) {
            // fal locks an account whose money is spent.
            Some(_) if reply.status == StatusCode::FORBIDDEN && said.contains("balance") => Some(QUOTA),
            other => other,
        };
        match refusal {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(&words(&error)).failure_in(reply, &said))
            }
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("{}/status", request_path(target)))
    }

    /// Reads both the status and the result, which tell themselves apart.
    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        if !reply.status.is_success() {
            return decode_error(reply);
        }
        let Ok(queued) = serde_json::from_slice::<Queued>(&reply.body) else {
            return Progress::Unclear { reason: puzzling("not fal's JSON", reply) };
        };
        match queued.status.as_str() {
            status::IN_QUEUE | status::IN_PROGRESS => Progress::Running { percent: None },
            status::COMPLETED if queued.error.is_empty() && queued.error_type.is_empty() => {
                Progress::Elsewhere(Box::new(Call::get(request_path(target))))
            }
            status::COMPLETED => {
                let said = if queued.error.is_empty() { &queued.error_type } else { &queued.error };
                let words = format!("{} {}", queued.error, queued.error_type);
                Progress::Failed(FAILED.or_policy(&words).failure_in(reply, said))
            }
            word => finished(reply).unwrap_or_else(|| {
                let what = if word.is_empty() { "finished without a usable URL" } else { "unknown status" };
                Progress::Unclear { reason: puzzling(what, reply) }
            }),
        }
    }

    fn authorize(&self, mut call: Call, credential: &Credential, _now: Timestamp) -> Call {
        if let Ok(mut value) = HeaderValue::from_str(&format!("Key {}", credential.expose())) {
            value.set_sensitive(true);
            call.headers.insert(header::AUTHORIZATION, value);
        }
        call
    }
}

/// What the reply to a poll says that is not of the 2xx. The result of a failed request has the model's own status, and
/// problems for its detail; or a type, if it never got as far as the model. The queue's own errors have a text alone.
fn decode_error(reply: &Reply) -> Progress {
    let error = ErrorReply::parse(&reply.body);
    let said = error.said();
    if reply.status == StatusCode::BAD_REQUEST && said.contains("still in progress") {
        return Progress::Running { percent: None };
    }
    let of_model = error.problems().iter().any(|problem| !problem.r#type.is_empty());
    let of_runner = error.error_type.starts_with("runner_")
        || matches!(error.error_type.as_str(), "request_timeout" | "startup_timeout");
    let refuses = !said.is_empty() && matches!(reply.status.as_u16(), 400 | 413 | 415 | 422);
    if !(of_model || of_runner || refuses) {
        return Progress::Unclear { reason: puzzling("not a word on the request", reply) };
    }
    let is_fault = error.problems().iter().any(|problem| FAULTS.contains(&problem.r#type.as_str()));
    let refusal = if is_fault || of_runner || reply.status.is_server_error() { FAILED } else { INVALID };
    Progress::Failed(refusal.or_policy(&words(&error)).failure_in(reply, &said))
}

fn finished(reply: &Reply) -> Option<Progress> {
    let output: Output = serde_json::from_slice(&reply.body).ok()?;
    let files = output.video.iter().chain(&output.videos);
    let sources = web::sources(files.map(|file| file.url.as_str()), MediaKind::Video);
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}

/// All that an error says, its types too.
fn words(error: &ErrorReply) -> String {
    let types = error.problems().iter().map(|problem| problem.r#type.clone());
    types.chain([error.said()]).collect::<Vec<_>>().join(" ")
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

/// Frames alone have a shape to go by; with words and references fal's default is 16:9.
fn aspect_ratio(request: &GenerationRequest, way: Way) -> Result<Option<&str>, Unsupported> {
    let own_shape = matches!(way, Way::Image | Way::Frames).then_some("auto");
    match request.output.aspect_ratio.as_deref() {
        Some(ratio @ ("16:9" | "9:16")) => Ok(Some(ratio)),
        Some(ratio) if !ratio.eq_ignore_ascii_case("auto") => {
            Err(unsupported("aspect_ratio", format!("{ratio}: fal makes 16:9 and 9:16")))
        }
        _ => Ok(own_shape),
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
fn resolution<'a>(request: &'a GenerationRequest, model: &str) -> Result<Option<&'a str>, Unsupported> {
    let wanted = match request.output.resolution.as_deref() {
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

fn vendor(request: &GenerationRequest) -> Map<String, Value> {
    let own = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let mut fields = own.map(|vendor| vendor.fields.clone()).unwrap_or_default();
    // The client's, and no field of a model.
    fields.retain(|name, _| name != WEBHOOK);
    fields
}

/// The path of an accepted request: of the model's id, only owner and app are in it.
fn request_path(target: &PollTarget<'_>) -> String {
    let mut app = target.upstream_model.splitn(3, '/');
    let app = [app.next(), app.next()].into_iter().flatten().collect::<Vec<_>>().join("/");
    format!("/{}/requests/{}", segments(&app), web::component(target.handle))
}

fn segments(path: &str) -> String {
    path.split('/').map(web::component).collect::<Vec<_>>().join("/")
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
