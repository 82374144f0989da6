//! What replies of Google say of an operation: whether it was started, and how it stands.

use domain::{Delivered, Failure, FailureKind, MediaKind, Reply};
use http::StatusCode;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::wire::{ErrorReply, HttpError, Operation, Status};
use crate::media::decode_base64;
use crate::refusal::{AUTH, BUSY, FAILED, INVALID, POLICY, Refusal, UNSERVED, puzzling};
use crate::{Progress, SubmitOutcome, web};

/// Codes of operations (google.rpc.Code) that blame the request.
const INVALID_ARGUMENT: i64 = 3;
const OUT_OF_RANGE: i64 = 11;
/// Words for refused content, seen in Google's messages besides those of all upstreams.
const POLICY_WORDS: [&str; 3] = ["usage guidelines", "responsible ai", "safety"];

/// What a reply to a submission proves. The handle is the operation's whole name.
pub(crate) fn submitted(reply: &Reply) -> SubmitOutcome {
    let operation = serde_json::from_slice::<Operation<IgnoredAny>>(&reply.body);
    let problem = match web::handle(&operation.map(|operation| operation.name).unwrap_or_default()) {
        Ok(handle) if reply.status.is_success() => return SubmitOutcome::Accepted { handle },
        Err(problem) if reply.status.is_success() => problem,
        _ => "neither accepted nor refused".to_owned(),
    };
    let error = error_in(reply);
    match refusal(&error, reply.status) {
        Some(refusal) => {
            SubmitOutcome::Rejected(or_policy(refusal, &error.message).failure_in(reply, &error.message))
        }
        None => SubmitOutcome::Unknown { reason: puzzling(&problem, reply) },
    }
}

/// What a reply to a poll says. `results` takes the response of an operation apart that is done and has not failed.
pub(crate) fn progress<R: DeserializeOwned>(reply: &Reply, results: impl FnOnce(R) -> Progress) -> Progress {
    let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
    if reply.status != StatusCode::OK {
        return unclear("not a word on the operation");
    }
    let Ok(operation) = serde_json::from_slice::<Operation<R>>(&reply.body) else {
        return unclear("not an operation");
    };
    // Code 0 is no error.
    let error = operation.error.filter(|error| error.code != 0 || !error.message.is_empty());
    match (operation.done, error, operation.response) {
        (true, Some(error), _) => Progress::Failed(failed(&error, reply)),
        (true, None, Some(response)) => results(response),
        (true, None, None) => unclear("done, without a word on how"),
        (false, ..) if operation.name.is_empty() => unclear("not an operation"),
        (false, ..) => Progress::Running { percent: None },
    }
}

/// The failure of an operation that is done and has made nothing: by rule the filters took everything.
pub(crate) fn empty(reasons: &[String], reply: &Reply) -> Failure {
    if reasons.is_empty() {
        return FAILED.failure_in(reply, "the operation is done and has no video");
    }
    POLICY.failure_in(reply, &reasons.join(" "))
}

/// The failure of an operation whose clips lie where we cannot read them. They may have been paid for, so nobody else is
/// asked.
pub(crate) fn out_of_reach(whereabouts: &str) -> Failure {
    Failure::new(FailureKind::GenerationFailed, "the provider could not finish the generation")
        .with_internal(format!("the result lies in {whereabouts}, which this gateway cannot read"))
}

/// A clip that stands in the reply itself; `None` for what is no base64.
pub(crate) fn delivered(base64: &str) -> Option<Delivered> {
    let bytes = decode_base64(base64).filter(|bytes| !bytes.is_empty())?;
    Some(Delivered { kind: MediaKind::Video, media_type: String::new(), bytes: bytes.into() })
}

/// Some of Google's hosts put the one error into a list.
fn error_in(reply: &Reply) -> HttpError {
    // A list first, since it could also be taken for an object's values.
    let list = serde_json::from_slice::<Vec<ErrorReply>>(&reply.body);
    let first = list.ok().and_then(|list| list.into_iter().next());
    let reply = first.or_else(|| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
    reply.error.unwrap_or_default()
}

/// What a reply without an operation proves: by Google's word for it, else by the status.
fn refusal(error: &HttpError, status: StatusCode) -> Option<Refusal> {
    // Another status proves nothing, whatever the body says.
    if status.is_success() || Refusal::leaves_open(status) {
        return None;
    }
    let is_about_key = error.details.iter().any(|detail| detail.reason.starts_with("API_KEY"));
    match error.status.as_str() {
        _ if is_about_key => Some(AUTH),
        // The account's place or its billing, not the request.
        "FAILED_PRECONDITION" => Some(UNSERVED),
        "RESOURCE_EXHAUSTED" => Some(BUSY),
        _ => Refusal::by_status(status),
    }
}

fn failed(error: &Status, reply: &Reply) -> Failure {
    let refusal = if matches!(error.code, INVALID_ARGUMENT | OUT_OF_RANGE) { INVALID } else { FAILED };
    or_policy(refusal, &error.message).failure_in(reply, &error.message)
}

fn or_policy(refusal: Refusal, said: &str) -> Refusal {
    let words = said.to_ascii_lowercase();
    let is_about_content = POLICY_WORDS.iter().any(|word| words.contains(word));
    if is_about_content && matches!(refusal, INVALID | FAILED) { POLICY } else { refusal.or_policy(said) }
}
