//! OpenAI, or another host of its API, as an upstream.

mod body;
mod find;
mod images;
mod speech;
mod videos;

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Derivation, GenerationRequest, Pace, Reply, Scope};
use http::StatusCode;

use super::OpenAi;
use super::wire::{ErrorReply, NAME};
use crate::apis::served_models;
use crate::refusal::{AUTH, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    Found, LostSubmission, PollTarget, Progress, Provider, ServedModel, SubmitContext, SubmitOutcome,
    Unsupported, web,
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

    /// Every host takes images as files of a form; few take URLs.
    fn wants_bytes(&self, _upstream_model: &str) -> bool {
        true
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let remixed = request.basis.as_ref().filter(|basis| basis.derivation == Derivation::Remix);
        match (request.scope, remixed) {
            (Scope::Videos, Some(basis)) => videos::encode_remix(request, &basis.handle),
            (Scope::Videos, None) => videos::encode(request, context.upstream_model),
            (Scope::Images, _) => images::encode(request, context.upstream_model),
            (Scope::Audio, _) => speech::encode(request, context.upstream_model),
        }
    }

    /// Images and speech are there at once, a clip is a task.
    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        if !reply.status.is_success() {
            return refused(reply);
        }
        match speech::decode(reply).or_else(|| images::decode(&reply.body)) {
            Some(results) => SubmitOutcome::Finished(results),
            None => match web::handle(&videos::id(&reply.body)) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(problem) => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
            },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        videos::encode_poll(target.handle)
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        videos::decode_poll(target.handle, reply)
    }

    /// Only clips are tasks, and a remix does not say its model when it is made.
    fn encode_find(&self, lost: &LostSubmission<'_>) -> Option<Call> {
        let is_clip = lost.request.scope == Scope::Videos && lost.request.basis.is_none();
        is_clip.then(find::encode)
    }

    fn decode_find(&self, lost: &LostSubmission<'_>, reply: &Reply) -> Found {
        find::decode(lost, reply)
    }
}

fn refused(reply: &Reply) -> SubmitOutcome {
    let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = error.into_error();
    match refusal(&error.code, &error.r#type, reply.status) {
        Some(refusal) => {
            SubmitOutcome::Rejected(refusal.or_policy(&error.message).failure_in(reply, &error.message))
        }
        None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
    }
}

/// What a reply that is no success proves: by its own words, else by the status. 429 is also the status of an account
/// without money.
fn refusal(code: &str, r#type: &str, status: StatusCode) -> Option<Refusal> {
    // Another status proves nothing, whatever the body says.
    if status.is_success() || Refusal::leaves_open(status) {
        return None;
    }
    match code {
        "insufficient_quota" | "insufficient_user_quota" | "billing_hard_limit_reached" => Some(QUOTA),
        "invalid_api_key" => Some(AUTH),
        "model_not_found" => Some(UNSERVED),
        _ if is_policy(code) => Some(POLICY),
        _ if r#type == "insufficient_quota" => Some(QUOTA),
        _ => Refusal::by_status(status),
    }
}

/// Whether the code of an error says that it is the content that is refused.
fn is_policy(code: &str) -> bool {
    matches!(code, "moderation_blocked" | "content_policy_violation")
}

fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
