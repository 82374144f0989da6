//! APIMart as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, Pace, Reply, Source};
use http::StatusCode;

use super::wire::{
    CODE_OK, Envelope, ErrorDetail, FileUrl, NAME, ResultItem, Submitted, TaskData, UPLOAD, status,
};
use super::{ApiMart, submit};
use crate::apis::served_models;
use crate::outgoing::FormBody;
use crate::refusal::{AUTH, FAILED, INVALID, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported,
    UploadFile, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// See [`Provider::key_lifetime`].
const KEY_LIFETIME: Duration = Duration::from_secs(10 * 60);

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
        submit::encode(request, context)
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let unknown = |what: &str| SubmitOutcome::Unknown { reason: puzzling(what, reply) };
        if Refusal::leaves_open(reply.status) {
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

    /// APIMart's documents have the key survive a lost connection and a crash of the client, but name no time. As long as they
    /// let a client wait for a result is a time that they must mean; longer is a guess that could cost a second task.
    fn key_lifetime(&self) -> Option<Duration> {
        Some(KEY_LIFETIME)
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

    fn encode_upload(&self, file: &UploadFile<'_>) -> Option<Call> {
        let mut form = FormBody::default();
        form.file("file", file.asset, file.media_type);
        Some(form.post(UPLOAD))
    }

    fn decode_upload(&self, reply: &Reply) -> Result<String, String> {
        let FileUrl { url } = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status.is_success() && web::is_web_url(&url) {
            return Ok(url);
        }
        Err(puzzling("no usable URL of the file", reply))
    }
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
