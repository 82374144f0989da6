//! Replicate as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Failure, GenerationRequest, MediaKind, Pace, Reply, Role, Scope};
use http::StatusCode;
use serde_json::Value;

use super::Replicate;
use super::wire::{ErrorReply, Input, NAME, NewPrediction, Prediction, object, status};
use crate::apis::served_models;
use crate::refusal::{FAILED, Refusal, UNSERVED, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// The title of the error that refuses a version that this account may not use.
const INVALID_VERSION: &str = "Invalid version or not permitted";
/// A longer wait than this, in seconds, is not believed.
const RETRY_AFTER_S_MAX: u64 = 3600;

impl Provider for Replicate {
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
        let input = input(request, context)?;
        let (path, version) = endpoint(context.upstream_model);
        let body = NewPrediction { version, input };
        Ok(Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode")))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let unknown = |problem: &str| SubmitOutcome::Unknown { reason: puzzling(problem, reply) };
        if reply.status.is_success() {
            let prediction: Prediction = object(&reply.body).unwrap_or_default();
            return match web::handle(&prediction.id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(problem) => unknown(&problem),
            };
        }
        let error: ErrorReply = object(&reply.body).unwrap_or_default();
        match refusal(&error, reply.status) {
            Some(refusal) => SubmitOutcome::Rejected(rejected(refusal, &error, reply)),
            None => unknown("neither accepted nor refused"),
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("/v1/predictions/{}", web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the prediction");
        }
        let Some(prediction) = object::<Prediction>(&reply.body) else {
            return unclear("not a prediction");
        };
        match prediction.status.as_str() {
            status::STARTING | status::PROCESSING => Progress::Running { percent: None },
            status::SUCCEEDED => {
                let sources = web::sources(texts(&prediction.output), MediaKind::from(target.scope()));
                if sources.is_empty() {
                    return unclear("succeeded without a usable URL");
                }
                Progress::Finished(Results::Kept(sources))
            }
            // We never cancel: the upstream gave up, or somebody else did. Another account may do it.
            status::FAILED | status::CANCELED | "aborted" => {
                let said = prediction.error.as_str().unwrap_or_default();
                Progress::Failed(FAILED.or_policy(said).failure_in(reply, said))
            }
            _ => unclear("unknown status"),
        }
    }
}

/// Where a model is asked for: an official one, `owner/name`, by its path; `owner/name:version`, or a version alone,
/// by the version.
fn endpoint(upstream_model: &str) -> (String, Option<&str>) {
    match (upstream_model.split_once(':'), upstream_model.split_once('/')) {
        (Some((_, version)), _) => ("/v1/predictions".to_owned(), Some(version)),
        (None, Some((owner, name))) => {
            let (owner, name) = (web::component(owner), web::component(name));
            (format!("/v1/models/{owner}/{name}/predictions"), None)
        }
        (None, None) => ("/v1/predictions".to_owned(), Some(upstream_model)),
    }
}

/// What a status other than success proves.
fn refusal(error: &ErrorReply, status: StatusCode) -> Option<Refusal> {
    if status == StatusCode::UNPROCESSABLE_ENTITY && error.title == INVALID_VERSION {
        return Some(UNSERVED);
    }
    Refusal::by_status(status)
}

fn rejected(refusal: Refusal, error: &ErrorReply, reply: &Reply) -> Failure {
    let said = if error.detail.is_empty() { &error.title } else { &error.detail };
    let mut failure = refusal.or_policy(said).failure_in(reply, said);
    // The throttle says its wait in the body.
    let wait = error.retry_after.and_then(|seconds| u64::try_from(seconds).ok());
    let wait = wait.map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)));
    failure.retry_after = failure.retry_after.or(wait);
    failure
}

/// All texts in a value, however deep; URLs among them are told apart later.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// What a Veo model can do, after its schema at replicate.com/google.
struct Bounds {
    durations_s: &'static [u32],
    resolutions: &'static [&'static str],
    last_frame: bool,
    references_max: usize,
}

/// The bounds of a model; `None` for a model that we do not know, which gets what was asked for as it is.
fn bounds(upstream_model: &str) -> Option<Bounds> {
    let known = |durations_s, resolutions, last_frame, references_max| {
        Some(Bounds { durations_s, resolutions, last_frame, references_max })
    };
    let (short, hd): (&[u32], &[&str]) = (&[4, 6, 8], &["720p", "1080p"]);
    match upstream_model.split(':').next()? {
        "google/veo-3.1" => known(short, hd, true, 3),
        "google/veo-3.1-fast" => known(short, hd, true, 0),
        "google/veo-3" | "google/veo-3-fast" => known(short, hd, false, 0),
        "google/veo-2" => known(&[5, 6, 7, 8], &[], false, 0),
        _ => None,
    }
}

/// `enhance_prompt` and `watermark` are dropped: no model here has such a switch, and the clip is the same film.
fn input<'a>(request: &'a GenerationRequest, context: &SubmitContext<'_>) -> Result<Input<'a>, Unsupported> {
    if request.scope != Scope::Videos {
        let reason = format!("the Veo models make videos, not {}", request.scope.as_str());
        return Err(unsupported("scope", reason));
    }
    check_roles(request)?;
    let mut input = Input::of(request, context.base_url);
    if request.model.ends_with("-4k") {
        input.resolution = Some("4k");
    } else if input.resolution.is_none() && request.output.upsample == Some(true) {
        input.resolution = Some("1080p");
    }
    match bounds(context.upstream_model) {
        Some(bounds) => fit(input, &bounds),
        None => Ok(input),
    }
}

/// One image for each field that takes one, and only parts that the API has a field for.
fn check_roles(request: &GenerationRequest) -> Result<(), Unsupported> {
    let count = |role| request.inputs.iter().filter(|input| input.role == role).count();
    if count(Role::Video) > 0 {
        return Err(unsupported("videos", "the Veo models take no videos"));
    }
    match (count(Role::FirstFrame), count(Role::LastFrame), count(Role::Reference)) {
        (0 | 1, 0, 0) | (1, 1, 0) | (0, 0, _) => Ok(()),
        (0, 1.., 0) => Err(unsupported("images", "a last frame needs a first frame")),
        (_, _, 0) => Err(unsupported("images", "one first frame and one last frame are possible")),
        _ => Err(unsupported("images", "frames or references are possible, not both")),
    }
}

/// `input` within a model's bounds.
fn fit<'a>(mut input: Input<'a>, bounds: &Bounds) -> Result<Input<'a>, Unsupported> {
    if let Some(size) = input.size.take() {
        let (ratio, resolution) = of_size(size)?;
        input.aspect_ratio = agreed(input.aspect_ratio, ratio, size)?;
        input.resolution = agreed(input.resolution, resolution, size)?;
    }
    let references = input.reference_images.len();
    if references > bounds.references_max {
        let text = format!("{references} reference images, the model takes {}", bounds.references_max);
        return Err(unsupported("images", text));
    }
    if input.last_frame.is_some() && !bounds.last_frame {
        return Err(unsupported("images", "the model takes no last frame"));
    }
    let (ratios, durations_s): (&[&str], &[u32]) = match references {
        0 => (&["16:9", "9:16"], bounds.durations_s),
        _ => (&["16:9"], &[8]),
    };
    one_of("aspect_ratio", input.aspect_ratio.as_ref(), ratios)?;
    one_of("resolution", input.resolution.as_ref(), bounds.resolutions)?;
    one_of("duration", input.duration.as_ref(), durations_s)?;
    Ok(input)
}

/// Aspect ratio and resolution of a size in pixels.
fn of_size(size: &str) -> Result<(&'static str, &'static str), Unsupported> {
    match size {
        "1280x720" => Ok(("16:9", "720p")),
        "720x1280" => Ok(("9:16", "720p")),
        "1920x1080" => Ok(("16:9", "1080p")),
        "1080x1920" => Ok(("9:16", "1080p")),
        _ => Err(unsupported("size", format!("{size}: the Veo models make 720p and 1080p, 16:9 and 9:16"))),
    }
}

fn agreed<'a>(said: Option<&'a str>, by_size: &'a str, size: &str) -> Result<Option<&'a str>, Unsupported> {
    match said {
        Some(said) if said != by_size => Err(unsupported("size", format!("{size} is not {said}"))),
        _ => Ok(Some(by_size)),
    }
}

fn one_of<T: PartialEq + ToString>(
    field: &'static str,
    value: Option<&T>,
    allowed: &[T],
) -> Result<(), Unsupported> {
    match value {
        Some(value) if !allowed.contains(value) => {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let allowed = if allowed.is_empty() { "no field for it".to_owned() } else { allowed.join(", ") };
            Err(unsupported(field, format!("{}: the model has {allowed}", value.to_string())))
        }
        _ => Ok(()),
    }
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
