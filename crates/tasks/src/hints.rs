//! What upstreams tell us by themselves. A callback is a hint: it wakes the poll of the submission whose address it came
//! to, and polls decide. The address holds a token that only the upstream of that submission was told, so to a submission
//! whose answer was lost it brings the upstream's id of the task. What is said again is known by the store's inbox.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use domain::{Account, Call, Credential, Failure, FailureKind, TaskId, TaskState};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use store::Heard;
use tokio::time::Instant;
use translation::{CallbackProof, CallbackSecrets, Provider};
use upstream::{Bounds, Fetch};

use crate::shared::{Shared, store_failure};
use crate::{TaskService, clock};

/// The path of an address, before the token.
const PATH: &str = "/callbacks/";
/// Goes before the operator's secret, so that a key of addresses is that of nothing else.
const KEY_PURPOSE: &str = "filmgate callback addresses\0";
/// Bytes of the code that proves a token.
const CODE_BYTES: usize = 16;
/// How long public keys are kept, and what bounds fetching them.
const KEYS_KEPT: Duration = Duration::from_secs(3600);
const KEYS_BOUNDS: Bounds = Bounds { bytes_max: 64 * 1024, timeout: Duration::from_secs(10) };

/// What the gateway needs to be called by upstreams.
#[derive(Clone)]
pub struct HintSettings {
    /// Where upstreams reach this gateway, without a trailing slash.
    pub public_url: String,
    /// Makes tokens; the same after a restart, or callbacks of submissions from before it are not known.
    pub key: [u8; 32],
}

impl std::fmt::Debug for HintSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HintSettings").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// The public keys of providers that sign with private ones, by their URL.
#[derive(Default)]
pub(crate) struct Hints {
    keys: Mutex<HashMap<String, (Instant, Bytes)>>,
}

impl HintSettings {
    /// The key that several gateways have who were given the same secret.
    pub fn key_of(secret: &Credential) -> [u8; 32] {
        Sha256::new().chain_update(KEY_PURPOSE).chain_update(secret.expose()).finalize().into()
    }

    /// The address that the upstream of a submission is told.
    pub(crate) fn url(&self, task: &TaskId, attempt: u32) -> String {
        let name = format!("{task}.{attempt}");
        format!("{}{PATH}{name}.{}", self.public_url, self.code(&name))
    }

    /// The submission that a token is of.
    fn read(&self, token: &str) -> Option<(TaskId, u32)> {
        let (name, code) = token.rsplit_once('.')?;
        let (task, attempt) = name.rsplit_once('.')?;
        let expected = self.code(name);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), code.as_bytes()).ok()?;
        Some((TaskId::new(task), attempt.parse().ok()?))
    }

    fn code(&self, name: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let tag = hmac::sign(&key, name.as_bytes());
        tag.as_ref().iter().take(CODE_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What a callback is known by.
fn digest(token: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(token).chain_update([0]).chain_update(body).finalize().into()
}

impl TaskService {
    /// Takes a callback that came to the address with that token. The failure is for who called: there is no such
    /// address, or the signature is wrong.
    pub async fn upstream_called(&self, token: &str, call: &Call) -> Result<(), Failure> {
        let outcome = self.take_hint(token, call).await;
        let label = match &outcome {
            Ok(true) => "woken",
            Ok(false) => "ignored",
            Err(failure) if failure.kind == FailureKind::Unauthorized => "forged",
            Err(_) => "unknown",
        };
        self.shared.metrics.hinted(label);
        outcome.map(|_woken| ())
    }

    async fn take_hint(&self, token: &str, call: &Call) -> Result<bool, Failure> {
        let unknown = || Failure::new(FailureKind::NotFound, "no such address");
        let settings = self.shared.settings.hints.as_ref().ok_or_else(unknown)?;
        let (id, number) = settings.read(token).ok_or_else(unknown)?;
        let task = self.shared.store.load(&id).await.map_err(|error| store_failure(&error))?;
        let task = task.ok_or_else(unknown)?;
        let attempt = task.attempts.iter().find(|attempt| attempt.number == number).ok_or_else(unknown)?;
        let account = self.shared.account(&attempt.plan);
        let account = account.filter(|account| account.provider == attempt.plan.provider);
        let provider = translation::provider(&attempt.plan.provider);
        let (account, provider) = account.zip(provider).ok_or_else(unknown)?;
        if let CallbackProof::Forged(reason) = prove(&self.shared, (&account, provider), call).await
            && !failpoints::removed("callback_signature")
        {
            tracing::warn!(task_id = %id, account = %account.name, reason, "a callback is not from the upstream");
            return Err(Failure::new(FailureKind::Unauthorized, "the signature is not valid"));
        }
        let is_current = task.attempt().is_some_and(|attempt| attempt.number == number);
        let handle = provider.handle_in_callback(call);
        if !is_current || !is_of(handle.as_deref(), &task.state) {
            return Ok(false);
        }
        let heard = Heard {
            account: account.name.clone(),
            digest: digest(token, &call.body),
            attempt: (id, number),
            handle,
        };
        let is_new = self.shared.store.hear(&heard).await.map_err(|error| store_failure(&error))?;
        failpoints::pass("hint_stored");
        if is_new {
            self.shared.wake.notify_one();
        }
        Ok(is_new)
    }
}

/// Whether a callback can be of use to a task in that state. One that names another task than the upstream took for ours
/// is somebody's who has a message of the upstream, and no use for it.
fn is_of(handle: Option<&str>, state: &TaskState) -> bool {
    match state {
        TaskState::Running { handle: known, .. } => handle.is_none_or(|handle| handle == known),
        TaskState::Submitting { .. } | TaskState::Unknown { .. } => true,
        _ => false,
    }
}

async fn prove(
    shared: &Shared,
    (account, provider): (&Account, &'static dyn Provider),
    call: &Call,
) -> CallbackProof {
    let url = account.callback_keys_url.as_deref().or_else(|| provider.callback_keys_url());
    let keys = match url {
        Some(url) => public_keys(shared, url).await,
        None => None,
    };
    let secrets = CallbackSecrets { secret: account.callback_secret.as_ref(), keys: keys.as_deref() };
    provider.check_callback(call, &secrets, clock::now())
}

/// What `url` serves, from memory if it was fetched lately.
async fn public_keys(shared: &Shared, url: &str) -> Option<Bytes> {
    let known = shared.hints.keys.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
    if let Some((_, keys)) = known.filter(|(at, _)| at.elapsed() < KEYS_KEPT) {
        return Some(keys);
    }
    let fetch = Fetch { url, account_url: "", credentials: HeaderMap::new(), bounds: KEYS_BOUNDS };
    let mut keys = Vec::new();
    if let Err(error) = shared.upstream.download(&fetch, &mut keys).await {
        tracing::warn!(url, %error, "the public keys of callbacks could not be had");
        return None;
    }
    let keys = Bytes::from(keys);
    let mut known = shared.hints.keys.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(url.to_owned(), (Instant::now(), keys.clone()));
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_submission_and_cannot_be_made_without_the_key() {
        let settings = HintSettings { public_url: "https://gateway.example".into(), key: [7; 32] };
        let url = settings.url(&TaskId::new("0190-ab"), 2);
        let token = url.strip_prefix("https://gateway.example/callbacks/").unwrap();
        assert_eq!(settings.read(token), Some((TaskId::new("0190-ab"), 2)));
        let other = HintSettings { key: [8; 32], ..settings.clone() };
        assert_eq!(other.read(token), None);
        assert_eq!(settings.read(&token.replace(".2.", ".3.")), None);
        for text in ["", ".", "a.1", "a.1.", "0190-ab.2.00"] {
            assert_eq!(settings.read(text), None, "{text}");
        }
        assert!(!format!("{settings:?}").contains('7'));
    }

    #[test]
    fn a_callback_is_known_by_its_address_and_what_it_says() {
        let first = digest("t", b"a");
        assert_eq!(first, digest("t", b"a"));
        assert!(
            first != digest("t", b"b")
                && first != digest("u", b"a")
                && digest("ta", b"") != digest("t", b"a")
        );
    }
}
