//! kie as an upstream: what its Veo and its jobs have in common.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, Pace, Reply, Timestamp};

use super::more_wire::FileUrls;
use super::wire::{Envelope, JobRecord, NAME, Record, Submitted, UPLOAD_STREAM};
use super::{Kie, enlarge, jobs, signature, veo};
use crate::apis::served_models;
use crate::outgoing::FormBody;
use crate::refusal::{AUTH, BUSY, CLOSED, FAILED, INVALID, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    CallbackProof, CallbackSecrets, PollTarget, Progress, Provider, ServedModel, SubmitContext,
    SubmitOutcome, Unsupported, UploadFile, web,
};

/// The folder of our files at kie, which its documents require.
const UPLOAD_FOLDER: &str = "filmgate";

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

impl Provider for Kie {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(20),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(30),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        match jobs::model(context.upstream_model) {
            Some(model) => jobs::encode_submit(model, request, context),
            None if request.basis.is_some() => enlarge::encode_submit(request, context),
            None => veo::encode_submit(request, context),
        }
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let envelope = Envelope::<Submitted>::parse(&reply.body);
        let code = envelope.as_ref().and_then(|envelope| envelope.code);
        let said = envelope.as_ref().map_or("", Envelope::said);
        let accepted = code == Some(200) || (code.is_none() && reply.status.is_success());
        if accepted {
            let id = envelope.and_then(|envelope| envelope.data).unwrap_or_default().task_id;
            return match web::handle(&id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        let code = code.filter(|_| !Refusal::leaves_open(reply.status));
        match code.map_or_else(|| Refusal::by_status(reply.status), |code| refusal(code, said, reply)) {
            Some(refusal) => SubmitOutcome::Rejected(refusal.or_policy(said).failure_in(reply, said)),
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
        }
    }

    /// A larger clip that is not ready is told by a reply that names no task.
    fn decode_submit_of(&self, request: &GenerationRequest, reply: &Reply) -> SubmitOutcome {
        let enlarged = enlarge::basis(request).and_then(|basis| enlarge::decode_submit(basis, reply));
        enlarged.unwrap_or_else(|| self.decode_submit(reply))
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        if let Some(call) = enlarge::call(target.request, None) {
            return call;
        }
        let path = match jobs::model(target.upstream_model) {
            Some(_) => "/api/v1/jobs/recordInfo",
            None => "/api/v1/veo/record-info",
        };
        Call::get(path).with_query(format!("taskId={}", web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if enlarge::basis(target.request).is_some() {
            return enlarge::progress(reply);
        }
        // A job's record is told by its state, which a Veo task's has not.
        let job = Envelope::<JobRecord>::parse(&reply.body).and_then(|envelope| envelope.data);
        if let Some(job) = job.filter(|job| !job.state.is_empty() && !reply.status.is_server_error()) {
            return jobs::progress(&job, target.scope(), reply);
        }
        let Some(envelope) = Envelope::<Record>::parse(&reply.body) else {
            return unclear("not kie's JSON");
        };
        match envelope.code {
            Some(200) => {}
            None if reply.status.is_success() => {}
            // The same code that refuses a prompt also says that something is not ready yet.
            Some(400) if envelope.said().contains("is processing") => {
                return Progress::Running { percent: None };
            }
            Some(400 | 451) => return failed(INVALID, envelope.said(), reply),
            Some(501) => return failed(FAILED, envelope.said(), reply),
            _ => return unclear("not a word on the task"),
        }
        let Some(record) = &envelope.data else {
            return unclear("no record of the task");
        };
        veo::progress(record, envelope.said(), reply)
    }

    /// The host of files is another one than that of tasks; where it is the same, so are the paths.
    fn encode_upload(&self, file: &UploadFile<'_>) -> Option<Call> {
        let mut form = FormBody::default();
        form.text("uploadPath", UPLOAD_FOLDER);
        form.file("file", file.asset, file.media_type);
        Some(form.post(UPLOAD_STREAM))
    }

    fn decode_upload(&self, reply: &Reply) -> Result<String, String> {
        let envelope = Envelope::<FileUrls>::parse(&reply.body);
        let stored = reply.status.is_success()
            && envelope.as_ref().is_some_and(|envelope| envelope.code.is_none_or(|code| code == 200));
        let urls = envelope.and_then(|envelope| envelope.data).filter(|_| stored).unwrap_or_default();
        let mut urls = [urls.download_url, urls.file_url].into_iter();
        urls.find(|url| web::is_web_url(url)).ok_or_else(|| puzzling("no usable URL of the file", reply))
    }

    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        signature::handle(call)
    }

    fn check_callback(&self, call: &Call, secrets: &CallbackSecrets<'_>, now: Timestamp) -> CallbackProof {
        signature::check(call, secrets, now)
    }
}

/// What a body code other than 200 proves; a code that is not in kie's list proves nothing beyond the HTTP status.
fn refusal(code: i64, said: &str, reply: &Reply) -> Option<Refusal> {
    match code {
        422 if said.to_ascii_lowercase().contains("model") => Some(UNSERVED),
        400 | 404 | 422 | 451 => Some(INVALID),
        401 => Some(AUTH),
        402 | 433 => Some(QUOTA),
        429 => Some(BUSY),
        455 => Some(CLOSED),
        505 => Some(UNSERVED),
        500 | 501 => None,
        _ => Refusal::by_status(reply.status),
    }
}

/// The failure of an accepted task.
pub(super) fn failed(refusal: Refusal, said: &str, reply: &Reply) -> Progress {
    Progress::Failed(refusal.or_policy(said).failure_in(reply, said))
}

pub(super) fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}
