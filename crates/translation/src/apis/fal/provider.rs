//! fal as an upstream, for its Veo models.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Credential, GenerationRequest, MediaKind, Pace, Reply, Timestamp};
use http::{Method, StatusCode, header};

use super::wire::{ErrorReply, NAME, Output, Queued, status};
use super::{Fal, callback, submit};
use crate::apis::served_models;
use crate::refusal::{FAILED, INVALID, QUOTA, Refusal, puzzling};
use crate::{
    CallbackProof, CallbackSecrets, PollTarget, Progress, Provider, Results, ServedModel, SubmitContext,
    SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// What a model says when it was not the request's fault.
const FAULTS: [&str; 5] = [
    "internal_server_error",
    "generation_timeout",
    "downstream_service_error",
    "downstream_service_unavailable",
    "no_media_generated",
];
/// What ended a request, besides its model and the runner of that.
const ENDS: [&str; 4] = ["request_timeout", "startup_timeout", "client_cancelled", "client_disconnected"];

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
        submit::encode(request, context)
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

    fn encode_cancel(&self, target: &PollTarget<'_>) -> Option<Call> {
        Some(Call::get(format!("{}/cancel", request_path(target))).with_method(Method::PUT))
    }

    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let queued: Queued = serde_json::from_slice(&call.body).ok()?;
        web::handle(&queued.request_id).ok()
    }

    fn check_callback(&self, call: &Call, secrets: &CallbackSecrets<'_>, now: Timestamp) -> CallbackProof {
        callback::check(call, secrets.keys, now)
    }

    fn callback_keys_url(&self) -> Option<&'static str> {
        Some("https://rest.fal.ai/.well-known/jwks.json")
    }

    fn authorize(&self, call: Call, credential: &Credential, _now: Timestamp) -> Call {
        call.with_secret(header::AUTHORIZATION, &format!("Key {}", credential.expose()))
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
    let of_runner = error.error_type.starts_with("runner_") || ENDS.contains(&error.error_type.as_str());
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

/// The path of an accepted request: of the model's id, only owner and app are in it.
fn request_path(target: &PollTarget<'_>) -> String {
    let mut app = target.upstream_model.splitn(3, '/');
    let app = [app.next(), app.next()].into_iter().flatten().collect::<Vec<_>>().join("/");
    format!("/{}/requests/{}", submit::segments(&app), web::component(target.handle))
}
