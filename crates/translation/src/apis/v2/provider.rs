//! Another host of the contract as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, Pace, Reply, Role, Scope};
use http::StatusCode;
use serde_json::{Map, Value};

use super::V2;
use super::wire::{CALLBACKS, Created, ErrorReply, Generation, NAME, TaskReply, status};
use crate::apis::served_models;
use crate::lenient::percent_of;
use crate::refusal::{AUTH, FAILED, QUOTA, Refusal, UNSERVED, puzzling};
use crate::wishes::Wish;
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
    wishes,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// The wishes that the contract has fields for.
const OF_PICTURES: [Wish; 4] = [Wish::Several, Wish::NegativePrompt, Wish::Quality, Wish::Format];
const OF_OTHERS: [Wish; 3] = [Wish::NegativePrompt, Wish::Sound, Wish::Silence];

impl Provider for V2 {
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
        let (output, is_picture) = (&request.output, request.scope == Scope::Images);
        wishes::refuse_all_but(if is_picture { &OF_PICTURES } else { &OF_OTHERS }, request, "the contract")?;
        let body = Generation {
            prompt: &request.prompt,
            model: context.upstream_model,
            images: images(request, context)?,
            videos: web::input_urls(request, Role::Video, context.base_url),
            aspect_ratio: output.aspect_ratio.as_deref(),
            resolution: output.resolution.as_deref(),
            size: output.size.as_deref(),
            duration: output.duration_s,
            seed: output.seed,
            watermark: output.watermark,
            enhance_prompt: output.enhance_prompt,
            enable_upsample: output.upsample,
            negative_prompt: output.negative_prompt.as_deref(),
            generate_audio: output.audio,
            n: output.count.filter(|_| is_picture),
            quality: output.quality.as_deref().filter(|_| is_picture),
            output_format: output.format.as_deref().filter(|_| is_picture),
            notify_hook: context.callback_url,
            vendor: vendor(request),
        };
        let path = format!("/v2/{}/generations", request.scope.as_str());
        Ok(Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode")))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let created: Created = serde_json::from_slice(&reply.body).unwrap_or_default();
        let id = if created.task_id.is_empty() { created.id } else { created.task_id };
        let problem = match web::handle(&id) {
            Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
            Err(problem) if reply.status.is_success() => problem,
            _ => "neither accepted nor refused".to_owned(),
        };
        let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_default();
        match refusal(&error, reply.status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(error.said()).failure_in(reply, error.said()))
            }
            None => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
        }
    }

    /// The body is taken for that of a poll.
    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let Created { task_id, id, .. } = serde_json::from_slice(&call.body).ok()?;
        web::handle(if task_id.is_empty() { &id } else { &task_id }).ok()
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get(format!("/v2/{}/generations/{}", target.scope().as_str(), web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Ok(task) = serde_json::from_slice::<TaskReply>(&reply.body) else {
            return unclear("not the contract's JSON");
        };
        match task.status.to_ascii_uppercase().as_str() {
            status::NOT_START | "SUBMITTED" | "QUEUED" | "PENDING" | status::IN_PROGRESS => {
                Progress::Running { percent: percent_of(&task.progress) }
            }
            status::SUCCESS | "SUCCEEDED" | "COMPLETED" => {
                finished(&task, target.scope()).unwrap_or_else(|| unclear("finished without a usable URL"))
            }
            status::FAILURE | "FAILED" | "CANCEL" | "CANCELED" | "CANCELLED" => {
                let said = if task.fail_reason.is_empty() { &task.message } else { &task.fail_reason };
                Progress::Failed(FAILED.or_policy(said).failure_in(reply, said))
            }
            _ => unclear("unknown status"),
        }
    }
}

/// The fields that only the contract knows, but for how a client wanted to be told before we did that.
fn vendor(request: &GenerationRequest) -> Map<String, Value> {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let mut fields = vendor.map(|vendor| vendor.fields.clone()).unwrap_or_default();
    fields.retain(|name, _| !CALLBACKS.contains(&name.as_str()));
    fields
}

/// The images in the contract's order: the first frame, the last one, then references.
fn images(request: &GenerationRequest, context: &SubmitContext<'_>) -> Result<Vec<String>, Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    if first.is_empty() && !last.is_empty() {
        return Err(Unsupported {
            field: "images",
            reason: "the contract has no last frame without a first".into(),
        });
    }
    Ok([first, last, references].concat())
}

/// What a reply without a task id proves: by the words that the family's hosts use, else by the status.
fn refusal(error: &ErrorReply, status: StatusCode) -> Option<Refusal> {
    if Refusal::leaves_open(status) {
        return None;
    }
    match error.word() {
        "insufficient_user_quota" | "insufficient_quota" | "quota_not_enough" => Some(QUOTA),
        "invalid_api_key" | "invalid_token" => Some(AUTH),
        "model_not_found" | "no_available_channel" => Some(UNSERVED),
        _ => Refusal::by_status(status),
    }
}

fn finished(task: &TaskReply, scope: Scope) -> Option<Progress> {
    let data = task.data.as_ref()?;
    let urls = data.outputs.iter().chain([&data.output]).map(String::as_str);
    // The reply does not say what it is; the extension may, else it is what was asked for.
    let sources = web::sources(urls, scope.into());
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}

impl ErrorReply {
    /// The error's code word, wherever it stands.
    fn word(&self) -> &str {
        match &self.error {
            Some(detail) if !detail.code.is_empty() => &detail.code,
            _ => &self.code,
        }
    }

    /// The error's text, wherever it stands.
    fn said(&self) -> &str {
        match &self.error {
            Some(detail) if !detail.message.is_empty() => &detail.message,
            _ => &self.message,
        }
    }
}
