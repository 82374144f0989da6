//! The Interactions API as an upstream.

use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use domain::{
    Call, Credential, Delivered, DraftMedia, GenerationRequest, Media, MediaKind, OutputSpec, Pace, Reply,
    Role, Scope, Source, Timestamp,
};
use http::{HeaderName, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Interactions;
use super::wire::{
    Content, DELIVERY, ErrorDetail, ErrorReply, GENERATION_CONFIG, Interaction, KEY, NAME, RESPONSE_FORMAT,
    URI, VIDEO_CONFIG, kind, status, tag, task,
};
use crate::apis::served_models;
use crate::media::decode_media;
use crate::outgoing::{MediaText, post_json_with_media};
use crate::refusal::{AUTH, FAILED, INVALID, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::wishes::{Wish, refuse_all_but};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

const PATH: &str = "/v1beta/interactions";
/// Images of one request. Source: Google's card of the model.
const IMAGES_MAX: usize = 10;
/// Clips of one request, which are then references.
const VIDEOS_MAX: usize = 3;
/// Clip lengths in seconds, by a part of the model's name.
const DURATIONS_S: [(&str, RangeInclusive<u32>); 2] = [("omni-1.1-", 3..=10), ("omni-1.2-", 3..=15)];
const RESOLUTIONS: [&str; 4] = ["360p", "720p", "1080p", "4k"];
/// A seed is a signed number of 32 bits; others are folded into them.
const SEED_MASK: u64 = 0x7fff_ffff;
/// Words of `code` and `status` that say that it is the content that is refused.
const POLICY_WORDS: [&str; 5] = ["SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"];

impl Provider for Interactions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    /// A clip of ten seconds takes about half a minute.
    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(15),
            shortest: Duration::from_secs(4),
            longest: Duration::from_secs(15),
        }
    }

    /// Google fetches no clips, and images only from some places.
    fn wants_bytes(&self, _upstream_model: &str) -> bool {
        true
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        if request.scope != Scope::Videos {
            let reason = format!("Omni makes videos here, not {}", request.scope.as_str());
            return Err(unsupported("scope", reason));
        }
        // Every clip has sound.
        refuse_all_but(&[Wish::Sound, Wish::Remix], request, "Omni")?;
        let parts = Parts::of(request)?;
        let (input, media) = input(request, &parts.prompt);
        let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
        let mut body = vendor.map(|vendor| vendor.fields.clone()).unwrap_or_default();
        body.insert("model".to_owned(), context.upstream_model.into());
        body.insert("input".to_owned(), input);
        body.insert("background".to_owned(), true.into());
        if let Some(basis) = &request.basis {
            body.insert("previous_interaction_id".to_owned(), basis.handle.as_str().into());
        }
        let format = response_format(&mut body, request, context.upstream_model)?;
        body.insert(RESPONSE_FORMAT.to_owned(), format);
        let config = generation_config(&mut body, request.output.seed, parts.task);
        if !config.is_empty() {
            body.insert(GENERATION_CONFIG.to_owned(), config.into());
        }
        Ok(post_json_with_media(PATH, &body.into(), &media))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let created: Interaction = serde_json::from_slice(&reply.body).unwrap_or_default();
        let problem = match web::handle(&created.id) {
            Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
            Err(problem) if reply.status.is_success() => problem,
            _ => "neither accepted nor refused".to_owned(),
        };
        let error = ErrorReply::parse(&reply.body);
        match refusal(&error, reply.status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(&error.message).failure_in(reply, &error.message))
            }
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
        let Ok(interaction) = serde_json::from_slice::<Interaction>(&reply.body) else {
            return unclear("not this API's JSON");
        };
        match interaction.status.as_str() {
            status::QUEUED | status::IN_PROGRESS => Progress::Running { percent: None },
            status::COMPLETED => {
                completed(&interaction, reply).unwrap_or_else(|| unclear("completed without a result"))
            }
            status::FAILED
            | status::CANCELLED
            | status::INCOMPLETE
            | status::BUDGET_EXCEEDED
            | status::REQUIRES_ACTION => {
                let error = interaction.errors.first().or(interaction.error.as_ref());
                let said = error.map_or("", |error| error.message.as_str());
                let refusal = if error.is_some_and(is_policy) { POLICY } else { FAILED };
                Progress::Failed(refusal.or_policy(said).failure_in(reply, said))
            }
            _ => unclear("unknown status"),
        }
    }

    fn encode_cancel(&self, target: &PollTarget<'_>) -> Option<Call> {
        let path = format!("{PATH}/{}/cancel", web::component(target.handle));
        Some(Call::get(path).with_method(Method::POST))
    }

    fn authorize(&self, call: Call, credential: &Credential, _now: Timestamp) -> Call {
        call.with_secret(HeaderName::from_static(KEY), credential.expose())
    }
}

/// What media are for: a task, and words in the prompt.
struct Parts {
    task: Option<&'static str>,
    prompt: String,
}

impl Parts {
    fn of(request: &GenerationRequest) -> Result<Self, Unsupported> {
        let count = |role| request.inputs.iter().filter(|input| input.role == role).count();
        let (first, last, references) =
            (count(Role::FirstFrame), count(Role::LastFrame), count(Role::Reference));
        let videos = count(Role::Video);
        if videos > VIDEOS_MAX {
            return Err(unsupported("videos", format!("{videos} videos, Omni takes {VIDEOS_MAX}")));
        }
        let (task, tags) = match (first, last, references) {
            (0, 0, 0) => (None, String::new()),
            (1, 0, 0) if videos == 0 => (Some(task::FRAMES), String::new()),
            (1, 1, 0) if videos == 0 => {
                (Some(task::FRAMES), format!("{} {} ", tag::FIRST_FRAME, tag::LAST_FRAME))
            }
            (0, 0, ..=IMAGES_MAX) => ((videos == 0).then_some(task::REFERENCES), String::new()),
            (0, 0, count) => {
                return Err(unsupported("images", format!("{count} images, Omni takes {IMAGES_MAX}")));
            }
            _ => {
                let reason = "Omni takes one first frame, with or without a last one, or references alone";
                return Err(unsupported("images", reason));
            }
        };
        let prompt = &request.prompt;
        // A client that writes such words itself has said it all.
        let has_tags =
            [tag::FIRST_FRAME, tag::REFERENCE, tag::DECLARATION].iter().any(|tag| prompt.contains(tag));
        if has_tags {
            return Ok(Self { task: None, prompt: prompt.clone() });
        }
        Ok(Self { task, prompt: format!("{tags}{prompt}") })
    }
}

/// `input`: the prompt, behind the media if there are any.
fn input(request: &GenerationRequest, prompt: &str) -> (Value, Vec<MediaText>) {
    if request.inputs.is_empty() {
        return (prompt.into(), Vec::new());
    }
    let mut blocks = Vec::new();
    let mut media = Vec::new();
    for (index, input) in request.inputs.iter().enumerate() {
        let kind = if input.role == Role::Video { kind::VIDEO } else { kind::IMAGE };
        match &input.media {
            Media::Asset { id, media_type } => {
                blocks.push(json!({ "type": kind, "mime_type": media_type, "data": "" }));
                media.push(MediaText { pointer: format!("/input/{index}/data"), asset: id.clone() });
            }
            Media::Url(url) => blocks.push(json!({ "type": kind, "uri": url })),
        }
    }
    blocks.push(json!({ "type": kind::TEXT, "text": prompt }));
    (blocks.into(), media)
}

/// Results always come by address: they may be too large for a reply. Dropped, since Omni has nothing of the kind:
/// `enhance_prompt`, and `watermark`, which nobody sees.
fn response_format(
    body: &mut Map<String, Value>,
    request: &GenerationRequest,
    upstream_model: &str,
) -> Result<Value, Unsupported> {
    let OutputSpec { aspect_ratio, duration_s, size, .. } = &request.output;
    if let Some(size) = size {
        return Err(unsupported("size", format!("{size}: Omni has ratios and resolutions, not sizes")));
    }
    let mut format = object(body.remove(RESPONSE_FORMAT));
    format.insert("type".to_owned(), kind::VIDEO.into());
    format.insert(DELIVERY.to_owned(), URI.into());
    match aspect_ratio.as_deref() {
        Some(ratio @ ("16:9" | "9:16")) => {
            format.insert("aspect_ratio".to_owned(), ratio.into());
        }
        Some(ratio) if !ratio.eq_ignore_ascii_case("auto") => {
            return Err(unsupported("aspect_ratio", format!("{ratio}: Omni makes 16:9 and 9:16")));
        }
        _ => {}
    }
    if let Some(resolution) = resolution(request)? {
        format.insert("resolution".to_owned(), resolution.into());
    }
    if let Some(seconds) = duration_s {
        let bounds = DURATIONS_S.iter().find(|(model, _)| upstream_model.contains(model));
        if let Some((_, bounds)) = bounds.filter(|(_, bounds)| !bounds.contains(seconds)) {
            let reason =
                format!("{seconds}: {upstream_model} makes {} to {} seconds", bounds.start(), bounds.end());
            return Err(unsupported("duration", reason));
        }
        format.insert("duration".to_owned(), format!("{seconds}s").into());
    }
    Ok(format.into())
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(request: &GenerationRequest) -> Result<Option<&str>, Unsupported> {
    let output = &request.output;
    match output.resolution.as_deref() {
        _ if request.model.ends_with("-4k") => Ok(Some("4k")),
        Some(resolution) if RESOLUTIONS.contains(&resolution) => Ok(Some(resolution)),
        Some(resolution) => {
            let reason = format!("{resolution}: Omni makes {}", RESOLUTIONS.join(", "));
            Err(unsupported("resolution", reason))
        }
        None => Ok((output.upsample == Some(true)).then_some("1080p")),
    }
}

/// The seed and the task; the client's own task goes before.
fn generation_config(
    body: &mut Map<String, Value>,
    seed: Option<u64>,
    task: Option<&str>,
) -> Map<String, Value> {
    let mut config = object(body.remove(GENERATION_CONFIG));
    if let Some(seed) = seed {
        config.insert("seed".to_owned(), (seed & SEED_MASK).into());
    }
    if let Some(task) = task {
        let video = config.entry(VIDEO_CONFIG).or_insert_with(|| Map::new().into());
        if let Value::Object(video) = video {
            video.entry("task").or_insert_with(|| task.into());
        }
    }
    config
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// What a reply without an id proves: by its own words, else by the status.
fn refusal(error: &ErrorDetail, status: StatusCode) -> Option<Refusal> {
    // Another status proves nothing, whatever the body says.
    if status.is_success() || Refusal::leaves_open(status) {
        return None;
    }
    match error.code.as_str() {
        _ if is_policy(error) => Some(POLICY),
        "authentication" | "permission_denied" => Some(AUTH),
        "payment_required" | "quota_exceeded" => Some(QUOTA),
        "model_not_found" | "failed_precondition" => Some(UNSERVED),
        // What stands before the API says 400 to a wrong key.
        "400" if error.message.starts_with("API key") => Some(AUTH),
        "400" if error.status == "FAILED_PRECONDITION" => Some(UNSERVED),
        _ => Refusal::by_status(status),
    }
}

fn is_policy(error: &ErrorDetail) -> bool {
    let word = |text: &str| POLICY_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    let said = error.message.to_ascii_lowercase();
    word(&error.code) || word(&error.status) || (said.contains("blocked") && said.contains("safety"))
}

/// What came out of a completed interaction: clips, or the reason why there are none. `None` if there is neither; the
/// place of the results may lag behind the word.
fn completed(interaction: &Interaction, reply: &Reply) -> Option<Progress> {
    let steps = interaction.steps.iter().filter(|step| step.r#type == kind::MODEL_OUTPUT);
    let output = || steps.clone().flat_map(|step| &step.content).chain(&interaction.outputs);
    if let Some(results) = results(output) {
        return Some(Progress::Finished(results));
    }
    if let Some(error) = steps.clone().find_map(|step| step.error.as_ref()) {
        let refusal = if is_policy(error) { POLICY } else { FAILED };
        return Some(Progress::Failed(refusal.or_policy(&error.message).failure_in(reply, &error.message)));
    }
    // Words in place of a clip are how a model refuses.
    let said: Vec<&str> =
        output().map(|content| content.text.trim()).filter(|text| !text.is_empty()).collect();
    let said = said.join(" ");
    (!said.is_empty()).then(|| Progress::Failed(INVALID.or_policy(&said).failure_in(reply, &said)))
}

fn results<'a, I: Iterator<Item = &'a Content>>(output: impl Fn() -> I) -> Option<Results> {
    let clips = || output().filter(|content| content.r#type == kind::VIDEO);
    let kept = web::sources(clips().map(|clip| clip.uri.as_str()), MediaKind::Video);
    if !kept.is_empty() {
        let with_key = |source: Source| Source { needs_credential: true, ..source };
        return Some(Results::Kept(kept.into_iter().map(with_key).collect()));
    }
    let bytes = |clip: &Content| match decode_media("data", &clip.data) {
        Ok(DraftMedia::Inline(bytes)) => {
            Some(Delivered { kind: MediaKind::Video, media_type: clip.mime_type.clone(), bytes })
        }
        _ => None,
    };
    let delivered: Vec<Delivered> = clips().filter_map(bytes).collect();
    (!delivered.is_empty()).then_some(Results::Delivered(delivered))
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
