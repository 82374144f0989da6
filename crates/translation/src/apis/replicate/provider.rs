//! Replicate as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Failure, GenerationRequest, MediaKind, Pace, Reply, Timestamp};
use http::{Method, StatusCode};
use serde_json::Value;

use super::wire::{ErrorReply, NAME, Prediction, object, status};
use super::{Replicate, find, prediction, submit};
use crate::apis::served_models;
use crate::refusal::{FAILED, Refusal, UNSERVED, puzzling};
use crate::{
    CallbackProof, CallbackSecrets, Found, LostSubmission, PollTarget, Progress, Provider, Results,
    ServedModel, SubmitContext, SubmitOutcome, Unsupported, web, webhook,
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
        submit::encode(request, context)
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
        Call::get(path_of(target))
    }

    fn encode_cancel(&self, target: &PollTarget<'_>) -> Option<Call> {
        Some(Call::get(format!("{}/cancel", path_of(target))).with_method(Method::POST))
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
            // A deadline of the upstream's own, or a wish to stop: whose, the caller knows.
            status::FAILED | status::CANCELED | "aborted" => {
                let said = prediction.error.as_str().unwrap_or_default();
                Progress::Failed(FAILED.or_policy(said).failure_in(reply, said))
            }
            _ => unclear("unknown status"),
        }
    }

    fn encode_find(&self, lost: &LostSubmission<'_>) -> Option<Call> {
        Some(find::encode(lost))
    }

    fn decode_find(&self, lost: &LostSubmission<'_>, reply: &Reply) -> Found {
        find::decode(lost, reply)
    }

    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        web::handle(&object::<Prediction>(&call.body)?.id).ok()
    }

    fn check_callback(&self, call: &Call, secrets: &CallbackSecrets<'_>, now: Timestamp) -> CallbackProof {
        webhook::check(call, secrets.secret, now)
    }
}

fn path_of(target: &PollTarget<'_>) -> String {
    format!("{}/{}", prediction::PATH, web::component(target.handle))
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
