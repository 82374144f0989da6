//! APIMart as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, Pace, Reply, Role, Scope, Source};
use http::StatusCode;
use serde_json::{Map, Value};

use super::ApiMart;
use super::wire::{
    CODE_OK, Envelope, ErrorDetail, FRAME, Generation, ImageWithRole, NAME, REFERENCE, ResultItem, Submitted,
    TaskData, status,
};
use crate::apis::served_models;
use crate::refusal::{AUTH, FAILED, INVALID, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// The one Veo model that takes no references.
const WITHOUT_REFERENCES: &str = "veo3.1-lite";
/// Most references of a Veo clip.
const REFERENCES_MAX: usize = 3;
/// Seconds of a clip of `veo3.1-fast` and its sisters.
const VEO_DURATION_S: u32 = 8;
/// Seconds of a clip of the `-official` models.
const OFFICIAL_DURATIONS_S: [u32; 3] = [4, 6, 8];

/// Which fields a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// `veo3.1-fast`, `veo3.1-quality`, `veo3.1-lite`.
    Veo,
    /// `veo3.1-fast-official`, `veo3.1-quality-official`.
    Official,
    /// Any other model of videos: what most of them have.
    Clip,
    /// Any model of images.
    Picture,
}

impl Provider for ApiMart {
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
        let family = family(request.scope, context.upstream_model)?;
        let output = &request.output;
        let is_veo = matches!(family, Family::Veo | Family::Official);
        let ratio = output.aspect_ratio.as_deref();
        let mut body = Generation {
            model: context.upstream_model,
            prompt: &request.prompt,
            video_urls: web::input_urls(request, Role::Video, context.base_url),
            resolution: resolution(request, context.upstream_model, family)?,
            duration: duration(request, family)?,
            seed: output.seed.filter(|_| family != Family::Veo),
            watermark: output.watermark.filter(|_| !is_veo),
            size: output.size.as_deref(),
            ..Generation::default()
        };
        if family == Family::Picture {
            body.size = body.size.or(ratio);
        } else {
            body.aspect_ratio = ratio;
        }
        if is_veo && !body.video_urls.is_empty() {
            return Err(unsupported("videos", "APIMart's Veo takes no videos"));
        }
        if is_veo && body.size.is_some() {
            return Err(unsupported("size", "APIMart's Veo has an aspect_ratio and a resolution, no size"));
        }
        place_images(&mut body, request, context, family)?;
        let path = format!("/v1/{}/generations", request.scope.as_str());
        Ok(Call::post_json(path, with_vendor(&body, request).to_string().into_bytes()))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let unknown = |what: &str| SubmitOutcome::Unknown { reason: puzzling(what, reply) };
        // A server error proves nothing, whatever it says.
        if reply.status.is_server_error() {
            return unknown("neither accepted nor refused");
        }
        let envelope = Envelope::<Submitted>::parse(&reply.body);
        let code = envelope.as_ref().and_then(|envelope| envelope.code);
        if reply.status.is_success() && code.is_none_or(|code| code == CODE_OK) {
            let submitted =
                envelope.and_then(|envelope| envelope.data.into_iter().next()).unwrap_or_default();
            let id = if submitted.task_id.is_empty() { submitted.id } else { submitted.task_id };
            return match web::handle(&id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(problem) => unknown(&problem),
            };
        }
        let said = envelope.as_ref().map_or("", Envelope::said);
        let error = envelope.as_ref().and_then(|envelope| envelope.error.as_ref());
        match refusal(error, code, reply.status) {
            Some(refusal) => SubmitOutcome::Rejected(refusal.or_policy(said).failure_in(reply, said)),
            None => unknown("neither accepted nor refused"),
        }
    }

    /// In English, so that the words of a failure are known ones.
    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("/v1/tasks/{}", web::component(target.handle))).with_query("language=en")
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Some(envelope) = Envelope::<TaskData>::parse(&reply.body) else {
            return unclear("not APIMart's JSON");
        };
        if envelope.code.is_some_and(|code| code != CODE_OK) {
            return unclear("not a word on the task");
        }
        let Some(task) = envelope.data.first() else {
            return unclear("no record of the task");
        };
        match task.status.to_ascii_lowercase().as_str() {
            status::SUBMITTED | status::PENDING | status::PROCESSING | "in_progress" => {
                Progress::Running { percent: task.progress }
            }
            status::COMPLETED => finished(task).unwrap_or_else(|| match &task.error {
                Some(error) if !error.code.is_null() => failed(error, reply),
                _ => unclear("finished without a usable URL"),
            }),
            status::FAILED | "cancelled" | "canceled" => {
                failed(task.error.as_ref().unwrap_or(&ErrorDetail::default()), reply)
            }
            _ => unclear("unknown status"),
        }
    }
}

fn family(scope: Scope, upstream_model: &str) -> Result<Family, Unsupported> {
    let is_veo = upstream_model.starts_with("veo3");
    match scope {
        Scope::Images => Ok(Family::Picture),
        Scope::Videos if is_veo && upstream_model.ends_with("-official") => Ok(Family::Official),
        Scope::Videos if is_veo => Ok(Family::Veo),
        Scope::Videos => Ok(Family::Clip),
        Scope::Audio => Err(unsupported("scope", "APIMart documents no tasks that make sound")),
    }
}

/// Puts the images where the model looks for them: the first frame before the last one.
fn place_images(
    body: &mut Generation<'_>,
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
    family: Family,
) -> Result<(), Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    match family {
        Family::Picture => body.image_urls = [first, last, references].concat(),
        Family::Clip => {
            let with = |role: &'static str| move |url: String| ImageWithRole { url, role };
            let images = first.into_iter().map(with("first_frame"));
            let images = images.chain(last.into_iter().map(with("last_frame")));
            body.image_with_roles =
                images.chain(references.into_iter().map(with("reference_image"))).collect();
        }
        Family::Veo | Family::Official if !references.is_empty() => {
            check_references(&references, first.len() + last.len(), context.upstream_model, family)?;
            (body.image_urls, body.generation_type) = (references, Some(REFERENCE));
        }
        Family::Veo | Family::Official => {
            if first.len() > 1 || last.len() > first.len() {
                return Err(unsupported(
                    "images",
                    "APIMart's Veo takes one first frame, and one last frame with it",
                ));
            }
            if family == Family::Official {
                (body.first_frame_image, body.last_frame_image) =
                    (first.into_iter().next(), last.into_iter().next());
            } else if !first.is_empty() {
                (body.image_urls, body.generation_type) = ([first, last].concat(), Some(FRAME));
            }
        }
    }
    Ok(())
}

/// Whether a Veo model takes these references beside that many frames.
fn check_references(
    references: &[String],
    frames: usize,
    upstream_model: &str,
    family: Family,
) -> Result<(), Unsupported> {
    if family == Family::Official || upstream_model == WITHOUT_REFERENCES {
        return Err(unsupported("images", format!("APIMart's {upstream_model} takes no reference images")));
    }
    if frames > 0 {
        return Err(unsupported("images", "APIMart's Veo takes frames or references, not both"));
    }
    if references.len() > REFERENCES_MAX {
        let reason = format!("{} reference images, APIMart takes {REFERENCES_MAX}", references.len());
        return Err(unsupported("images", reason));
    }
    Ok(())
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(
    request: &GenerationRequest,
    upstream_model: &str,
    family: Family,
) -> Result<Option<String>, Unsupported> {
    let wanted = match request.output.resolution.as_deref() {
        _ if request.model.ends_with("-4k") => "4k",
        Some(resolution) => resolution,
        None if request.output.upsample == Some(true) => "1080p",
        None => return Ok(None),
    };
    Ok(Some(match family {
        Family::Veo | Family::Official if !matches!(wanted, "720p" | "1080p" | "4k") => {
            let reason = format!("{wanted}: APIMart's Veo makes 720p, 1080p and 4k");
            return Err(unsupported("resolution", reason));
        }
        Family::Official => wanted.replace('k', "K"),
        Family::Picture if !upstream_model.starts_with("gpt-image") => wanted.replace('k', "K"),
        Family::Veo | Family::Clip | Family::Picture => wanted.to_owned(),
    }))
}

fn duration(request: &GenerationRequest, family: Family) -> Result<Option<u32>, Unsupported> {
    let Some(duration) = request.output.duration_s else { return Ok(None) };
    let allowed: &[u32] = match family {
        Family::Veo => &[VEO_DURATION_S],
        Family::Official => &OFFICIAL_DURATIONS_S,
        Family::Clip => return Ok(Some(duration)),
        // A picture does not last.
        Family::Picture => return Ok(None),
    };
    if allowed.contains(&duration) {
        return Ok(Some(duration));
    }
    let allowed: Vec<String> = allowed.iter().map(u32::to_string).collect();
    let reason = format!("{duration}: clips of this model of APIMart's have {} seconds", allowed.join(", "));
    Err(unsupported("duration", reason))
}

/// The body with the client's own fields, if it speaks APIMart's API, too; where both have a field, ours counts.
fn with_vendor(body: &Generation<'_>, request: &GenerationRequest) -> Value {
    let mut fields: Map<String, Value> = match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct of texts and numbers encodes as an object"),
    };
    let vendor = request.vendor.iter().filter(|vendor| vendor.api == NAME);
    for (name, value) in vendor.flat_map(|vendor| &vendor.fields) {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    Value::Object(fields)
}

/// What a reply that accepts nothing proves: by APIMart's own word, else by its own code, else by the HTTP status.
fn refusal(error: Option<&ErrorDetail>, code: Option<i64>, status: StatusCode) -> Option<Refusal> {
    match error.map_or("", ErrorDetail::word) {
        "payment_required" | "insufficient_quota" | "insufficient_user_quota" => return Some(QUOTA),
        "authentication_error" | "permission_error" | "invalid_api_key" => return Some(AUTH),
        "model_not_found" | "not_found_error" => return Some(UNSERVED),
        _ => {}
    }
    let code = code.filter(|code| *code != CODE_OK).or_else(|| error?.number());
    let own = code.and_then(|code| u16::try_from(code).ok()).and_then(|code| StatusCode::from_u16(code).ok());
    Refusal::by_status(own.unwrap_or(status))
}

fn failed(error: &ErrorDetail, reply: &Reply) -> Progress {
    let refusal = match (error.word(), error.number()) {
        ("invalid_request_error", _) | (_, Some(400 | 422)) => INVALID,
        ("payment_required" | "insufficient_quota" | "insufficient_user_quota", _) => QUOTA,
        _ => FAILED,
    };
    let said = if error.message.is_empty() { error.word() } else { &error.message };
    Progress::Failed(refusal.or_policy(said).failure_in(reply, said))
}

/// `None` if there is no usable URL.
fn finished(task: &TaskData) -> Option<Progress> {
    let result = task.result.as_ref()?;
    let of = |items: &[ResultItem], kind: MediaKind| -> Vec<Source> {
        web::sources(items.iter().flat_map(|item| &item.url).map(String::as_str), kind)
    };
    let sources = [
        of(&result.videos, MediaKind::Video),
        of(&result.images, MediaKind::Image),
        of(&result.audios, MediaKind::Audio),
    ]
    .concat();
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
