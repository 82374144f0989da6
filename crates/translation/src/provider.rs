//! What it takes to be an API that we speak to upstreams.

use std::time::Duration;

use domain::{
    AssetId, Call, Credential, Delivered, Failure, GenerationRequest, Pace, Reply, Scope, Source, Timestamp,
};
use serde::Deserialize;

/// A kind of upstream API: stateless, pure, object-safe. Mirror image of [`crate::Dialect`].
/// It cannot open a socket, and it never sees a client's bytes.
pub trait Provider: Send + Sync {
    /// The registry name, used in the config: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// What it can serve, from the folder's `models.toml`.
    fn models(&self) -> &'static [ServedModel];

    /// How often its API wants to be polled; an account may override it.
    fn pace(&self) -> Pace;

    /// Whether a call must hold the inputs themselves: for APIs that do not fetch. Then every input of the request is an
    /// asset when it is encoded.
    fn wants_bytes(&self, upstream_model: &str) -> bool {
        let _urls_are_fetched = upstream_model;
        false
    }

    /// The call that submits `request`, or why this API cannot express it.
    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported>;

    /// What a reply to a submission proves. Anything that does not prove acceptance or refusal is `Unknown`.
    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome;

    /// The same, for APIs whose replies to some submissions do not say by themselves what they answer.
    fn decode_submit_of(&self, request: &GenerationRequest, reply: &Reply) -> SubmitOutcome {
        let _the_reply_says_it_all = request;
        self.decode_submit(reply)
    }

    /// The call that asks how an accepted task stands. Must be safe to repeat.
    fn encode_poll(&self, target: &PollTarget<'_>) -> Call;

    /// What a reply to a poll says. Anything that is not a definite word is `Unclear`.
    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress;

    /// The call that asks to stop a task, if this API has one. Must be safe to repeat. What became of it, polls tell.
    fn encode_cancel(&self, target: &PollTarget<'_>) -> Option<Call> {
        let _cannot_be_stopped = target;
        None
    }

    /// How long this API answers a submission that repeats the key of an earlier one ([`SubmitContext::attempt_key`]) with
    /// that earlier one, instead of making another; `None` if it knows no keys.
    fn key_lifetime(&self) -> Option<Duration> {
        None
    }

    /// The call that looks for a submission whose answer was lost: by the reference that we gave it, or in the list of
    /// recent tasks. Must be safe to repeat. `None` if this API has neither.
    fn encode_find(&self, lost: &LostSubmission<'_>) -> Option<Call> {
        let _cannot_be_looked_for = lost;
        None
    }

    /// What a reply to [`Provider::encode_find`] shows. Anything that is not a definite word is `Unclear`.
    fn decode_find(&self, lost: &LostSubmission<'_>, reply: &Reply) -> Found {
        let _cannot_be_looked_for = lost;
        Found::Unclear { reason: format!("status {}: this API finds no lost submissions", reply.status) }
    }

    /// The upstream's own id of the task that a callback tells of, if it names one. The callback need not be genuine:
    /// [`Provider::check_callback`] and the address that only one submission was given decide that.
    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let _not_called = call;
        None
    }

    /// The call that brings a file to where this API takes files, if it does; its path is relative to the account's
    /// `files_url`.
    fn encode_upload(&self, file: &UploadFile<'_>) -> Option<Call> {
        let _takes_none = file;
        None
    }

    /// The URL of an uploaded file, or why there is none, for the operator.
    fn decode_upload(&self, reply: &Reply) -> Result<String, String> {
        Err(format!("status {}: this API takes no files", reply.status))
    }

    /// What the signature of a callback shows, where this API signs.
    fn check_callback(&self, call: &Call, secrets: &CallbackSecrets<'_>, now: Timestamp) -> CallbackProof {
        let _not_signed = (call, secrets, now);
        CallbackProof::Unsigned
    }

    /// Where the public keys of its callbacks are, for APIs that sign with private ones.
    fn callback_keys_url(&self) -> Option<&'static str> {
        None
    }

    /// Adds what proves that we may call. Bearer keys are the rule; an API that signs overrides this.
    fn authorize(&self, call: Call, credential: &Credential, now: Timestamp) -> Call {
        let _keys_do_not_age = now;
        call.with_bearer(credential.expose())
    }
}

/// One model of a provider: its own name, and the public models that it serves unless the operator says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedModel {
    /// The provider's own name; `*` stands for the public name itself.
    pub upstream_model: String,
    /// Public names; a trailing `*` matches any ending.
    pub serves: Vec<String>,
}

/// What a submission needs besides the request.
#[derive(Debug, Clone, Copy)]
pub struct SubmitContext<'a> {
    /// The provider's own name of the model.
    pub upstream_model: &'a str,
    /// Where upstreams reach this gateway, to fetch inputs that it stores; no trailing slash.
    pub base_url: &'a str,
    /// Names this submission and no other: for APIs that know keys of idempotency. Visible ASCII, at most 64 characters;
    /// empty if there is none.
    pub attempt_key: &'a str,
    /// Where the upstream may tell that something has happened to this submission; absent if it cannot reach us. Polls
    /// decide whatever it tells.
    pub callback_url: Option<&'a str>,
}

impl<'a> SubmitContext<'a> {
    /// A submission that has no key, by a gateway that upstreams cannot call.
    pub fn new(upstream_model: &'a str, base_url: &'a str) -> Self {
        Self { upstream_model, base_url, attempt_key: "", callback_url: None }
    }
}

/// What proves that a callback is from the upstream, besides the address that only it was told.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallbackSecrets<'a> {
    /// The secret that the account shares with the upstream, if the operator gave it.
    pub secret: Option<&'a Credential>,
    /// The body that [`Provider::callback_keys_url`] serves, if it could be had.
    pub keys: Option<&'a [u8]>,
}

/// What a callback's signature shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackProof {
    /// It is from the upstream.
    Proved,
    /// This API does not sign, or there is nothing to verify with.
    Unsigned,
    /// It is not from the upstream, or too old; why, for the operator.
    Forged(&'static str),
}

/// What a poll needs.
#[derive(Debug, Clone, Copy)]
pub struct PollTarget<'a> {
    /// The upstream's own id of the task.
    pub handle: &'a str,
    /// The provider's own name of the model.
    pub upstream_model: &'a str,
    /// What was asked for.
    pub request: &'a GenerationRequest,
}

impl PollTarget<'_> {
    /// The kind of result.
    pub fn scope(&self) -> Scope {
        self.request.scope
    }
}

/// A submission that was sent, and whose answer was lost.
#[derive(Debug, Clone, Copy)]
pub struct LostSubmission<'a> {
    /// The key that it carried, see [`SubmitContext::attempt_key`].
    pub attempt_key: &'a str,
    /// The provider's own name of the model.
    pub upstream_model: &'a str,
    /// What was asked for.
    pub request: &'a GenerationRequest,
    /// When its intent was stored, before it was sent.
    pub intended_at: Timestamp,
}

/// What a search for a lost submission shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The upstream's ids of the tasks that may be it: of exactly this reference, or of recent tasks that look like it
    /// (same model, same prompt, nothing else that differs, made within some minutes of [`LostSubmission::intended_at`]).
    /// Empty: none in a list, which proves nothing.
    Tasks(Vec<String>),
    /// The upstream knows no task of our reference. Counts only when repeated after a while.
    Absent,
    /// No definite word.
    Unclear {
        /// Why, for the operator.
        reason: String,
    },
}

/// A file that a request refers to.
#[derive(Debug, Clone, Copy)]
pub struct UploadFile<'a> {
    /// The bytes.
    pub asset: &'a AssetId,
    /// For instance `image/png`.
    pub media_type: &'a str,
}

/// A request that a provider's API cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Unsupported {
    /// The field of the request.
    pub field: &'static str,
    /// Why.
    pub reason: String,
}

/// What the reply to a submission proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// The upstream took it; this is its id of the task.
    Accepted {
        /// The upstream's own id of the task.
        handle: String,
    },
    /// The upstream took it and has finished: a synchronous API. There is nothing to poll.
    Finished(Results),
    /// The upstream definitely refused; `Failure::retry` says what may follow.
    Rejected(Failure),
    /// Neither is proved. The text is for the operator.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What a poll says of an accepted task.
#[derive(Debug, Clone)]
pub enum Progress {
    /// At work.
    Running {
        /// 0 to 100, if the upstream says.
        percent: Option<u8>,
    },
    /// Finished, with at least one result.
    Finished(Results),
    /// The upstream tells the rest elsewhere: this call is made at once, and its reply decoded as that of a poll.
    /// Must be safe to repeat.
    Elsewhere(Box<Call>),
    /// Definitely failed; `Failure::retry` says what may follow.
    Failed(Failure),
    /// No definite word: a passing fault, or an answer that we do not understand. Ask again.
    Unclear {
        /// Why, for the operator.
        reason: String,
    },
}

/// Results, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// Where the upstream keeps them.
    Kept(Vec<Source>),
    /// In the answer itself.
    Delivered(Vec<Delivered>),
}

impl dyn Provider {
    /// The provider's own name for the public `model`, unless the operator says otherwise.
    pub fn upstream_model(&self, model: &str) -> Option<String> {
        let served = self.models().iter().find(|served| served.serves.iter().any(|p| matches(p, model)))?;
        Some(if served.upstream_model == "*" { model.to_owned() } else { served.upstream_model.clone() })
    }
}

fn matches(pattern: &str, model: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == model, |prefix| model.starts_with(prefix))
}
