//! MiniMax as an upstream: what its clips and its speech have in common.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, MediaKind, Pace, Reply};

use super::wire::{BaseResp, File, Polled, Submitted, status};
use super::{MiniMax, clip, speech};
use crate::apis::served_models;
use crate::refusal::{AUTH, BUSY, FAILED, INVALID, POLICY, QUOTA, Refusal, UNSERVED, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

impl Provider for MiniMax {
    fn name(&self) -> &'static str {
        "minimax"
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(30),
            shortest: Duration::from_secs(10),
            longest: Duration::from_secs(30),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        if speech::is_speech(context.upstream_model) {
            return speech::encode_submit(request, context);
        }
        clip::encode_submit(request, context)
    }

    /// A task's id is in the answer of clips alone, sound in that of speech alone.
    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let Submitted { task_id, data, extra_info, base_resp } =
            serde_json::from_slice(&reply.body).unwrap_or_default();
        let BaseResp { status_code, status_msg } = base_resp.unwrap_or_default();
        if status_code == Some(0) && reply.status.is_success() {
            if let Some(data) = data.filter(|data| !data.audio.is_empty()) {
                return match speech::delivered(&data, &extra_info.unwrap_or_default()) {
                    Some(sound) => SubmitOutcome::Finished(Results::Delivered(vec![sound])),
                    None => SubmitOutcome::Unknown { reason: puzzling("sound that cannot be read", reply) },
                };
            }
            return match web::handle(&task_id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        let by_status = Refusal::by_status(reply.status);
        let by_code = status_code.and_then(refusal).filter(|_| !Refusal::leaves_open(reply.status));
        match by_code.unwrap_or(by_status) {
            Some(refusal) => {
                SubmitOutcome::Rejected(refusal.or_policy(&status_msg).failure_in(reply, &status_msg))
            }
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
        }
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        Call::get("/v1/query/video_generation")
            .with_query(format!("task_id={}", web::component(target.handle)))
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        let Ok(polled) = serde_json::from_slice::<Polled>(&reply.body) else {
            return unclear("not MiniMax's JSON");
        };
        if !reply.status.is_success() {
            return unclear("not a word on the task");
        }
        let BaseResp { status_code, status_msg } = polled.base_resp.unwrap_or_default();
        if let (Some(file), Some(0)) = (&polled.file, status_code) {
            return finished(file).unwrap_or_else(|| unclear("finished without a usable URL"));
        }
        match (polled.status.to_ascii_lowercase().as_str(), status_code) {
            (status::FAIL, code) => failed(code, &status_msg, reply),
            // What is refused while it is made is told by the code, with any other word, or without one.
            (_, code @ Some(1026 | 1027)) => failed(code, &status_msg, reply),
            (status::PREPARING | status::QUEUEING | status::PROCESSING, Some(0)) => {
                Progress::Running { percent: None }
            }
            (status::SUCCESS, Some(0)) => match web::handle(&polled.file_id) {
                Ok(file) => Progress::Elsewhere(Box::new(
                    Call::get("/v1/files/retrieve").with_query(format!("file_id={}", web::component(&file))),
                )),
                Err(_) => unclear("finished without a file"),
            },
            _ => unclear("unknown status"),
        }
    }
}

/// What a `status_code` in MiniMax's list proves: `Some(None)` is a server error, which proves nothing; `None` is not in
/// the list.
fn refusal(code: i64) -> Option<Option<Refusal>> {
    Some(match code {
        // Requests, tokens or connections a minute, or their growth.
        1002 | 1039 | 1041 | 2045 => Some(BUSY),
        1004 | 2049 => Some(AUTH),
        // No money, or the limit of a plan.
        1008 | 2056 => Some(QUOTA),
        1026 | 1027 => Some(POLICY),
        1042 | 2013 | 20132 => Some(INVALID),
        // A voice of another account.
        2042 => Some(UNSERVED),
        0 | 1000 | 1001 | 1024 | 1033 => None,
        _ => return None,
    })
}

/// The failure of an accepted task; with code 0 the message is about the call, not about the task.
fn failed(code: Option<i64>, said: &str, reply: &Reply) -> Progress {
    let (refusal, said) = match code {
        None | Some(0) => (FAILED, ""),
        Some(1026 | 1027) => (POLICY, said),
        Some(1042 | 2013) => (INVALID, said),
        Some(_) => (FAILED, said),
    };
    Progress::Failed(refusal.or_policy(said).failure_in(reply, said))
}

/// `None` if there is no usable URL.
fn finished(file: &File) -> Option<Progress> {
    let places = [&file.download_url, &file.backup_download_url].into_iter();
    let mut found =
        places.map(|url| web::sources([url.as_str()], MediaKind::Video)).filter(|found| !found.is_empty());
    found.next().map(|sources| Progress::Finished(Results::Kept(sources)))
}
