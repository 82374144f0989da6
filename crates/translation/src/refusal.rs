//! What an upstream's "no" means for the task, the worker and the client.

use std::time::Duration;

use domain::{Failure, FailureKind, Reply, Retry};
use http::{HeaderMap, StatusCode, header};

use crate::text::{bounded, shareable};

/// Characters of an upstream's words that the operator sees.
const INTERNAL_CHARS_MAX: usize = 1024;
/// A longer wait than this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A definite "no", before it is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    kind: FailureKind,
    retry: Retry,
}

/// The content is refused: another try would get the same answer.
pub(crate) const POLICY: Refusal = Refusal::new(FailureKind::ContentPolicy, Retry::Never);
/// The request is refused: another try would get the same answer.
pub(crate) const INVALID: Refusal = Refusal::new(FailureKind::UpstreamRejected, Retry::Never);
/// This account cannot serve the request, another may.
pub(crate) const UNSERVED: Refusal = Refusal::new(FailureKind::UpstreamRejected, Retry::Elsewhere);
/// Our credential is refused.
pub(crate) const AUTH: Refusal = Refusal::new(FailureKind::UpstreamAuth, Retry::Elsewhere);
/// The account has no money left.
pub(crate) const QUOTA: Refusal = Refusal::new(FailureKind::UpstreamQuota, Retry::Elsewhere);
/// The account is asked too often.
pub(crate) const BUSY: Refusal = Refusal::new(FailureKind::UpstreamBusy, Retry::Later);
/// The upstream is closed for a while.
pub(crate) const CLOSED: Refusal = Refusal::new(FailureKind::UpstreamBusy, Retry::Elsewhere);
/// The upstream accepted, tried and failed: a definite end that another account may do better.
pub(crate) const FAILED: Refusal = Refusal::new(FailureKind::GenerationFailed, Retry::Elsewhere);

impl Refusal {
    const fn new(kind: FailureKind, retry: Retry) -> Self {
        Self { kind, retry }
    }

    /// What the plain HTTP status of a reply to a submission proves; `None` if it proves no refusal. 408, 409, 3xx
    /// and 5xx are no refusals: the upstream may have accepted before it stumbled.
    pub(crate) fn by_status(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            400 | 413 | 415 | 422 => Some(INVALID),
            401 | 403 => Some(AUTH),
            402 => Some(QUOTA),
            404 | 405 => Some(UNSERVED),
            429 => Some(BUSY),
            _ => None,
        }
    }

    /// Whether a status leaves open what became of a submission, whatever stands in the body: the upstream, or something on the
    /// way to it, may have stumbled after the submission was accepted.
    pub(crate) fn leaves_open(status: StatusCode) -> bool {
        let may_have_stumbled = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT);
        may_have_stumbled || !(status.is_success() || status.is_client_error())
    }

    /// The same, unless the upstream's words show that it is the content that it refuses.
    pub(crate) fn or_policy(self, said: &str) -> Self {
        let may_be = matches!(self.kind, FailureKind::UpstreamRejected | FailureKind::GenerationFailed);
        if may_be && speaks_of_policy(said) { POLICY } else { self }
    }

    /// As a failure: a sentence of ours for the client, with a harmless piece of what the upstream `said` where the
    /// client can act on it; all of it for the operator.
    pub(crate) fn failure(self, said: &str) -> Failure {
        let (sentence, tell) = match self.kind {
            FailureKind::ContentPolicy => ("the provider refused the content", true),
            FailureKind::UpstreamRejected => ("the provider refused the request", true),
            FailureKind::UpstreamBusy => ("the provider is busy", false),
            FailureKind::GenerationFailed => ("the provider could not finish the generation", false),
            _ => ("the provider is not available", false),
        };
        let public = match shareable(said) {
            Some(piece) if tell => format!("{sentence}: {piece}"),
            _ => sentence.to_owned(),
        };
        Failure::new(self.kind, public)
            .with_internal(bounded(said, INTERNAL_CHARS_MAX))
            .with_retry(self.retry)
    }

    /// Like [`Self::failure`], with the wait that the reply's headers ask for, and for the operator its status, too,
    /// and its body if it says nothing that we know where to find.
    pub(crate) fn failure_in(self, reply: &Reply, said: &str) -> Failure {
        let mut failure = self.failure(said);
        failure.internal = if said.is_empty() {
            puzzling("no message", reply)
        } else {
            bounded(&format!("HTTP {}: {said}", reply.status.as_u16()), INTERNAL_CHARS_MAX)
        };
        failure.retry_after = retry_after(&reply.headers);
        failure
    }
}

/// A reply that we make nothing of, for the operator.
pub(crate) fn puzzling(what: &str, reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(4 * INTERNAL_CHARS_MAX)]);
    bounded(&format!("{what} (HTTP {}): {body}", reply.status.as_u16()), INTERNAL_CHARS_MAX)
}

/// The wait in `Retry-After`, if it is in seconds. A date would need a clock, and no upstream we know sends one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Whether an upstream's words say that prompt or media break its rules. Words seen in the field.
fn speaks_of_policy(said: &str) -> bool {
    const WORDS: &[&str] = &[
        "policy",
        "policies",
        "flagged",
        "sensitive",
        "prohibited",
        "unsafe",
        "nsfw",
        "rejected by flow",
        "moderation",
        "content_violation",
    ];
    let said = said.to_ascii_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_definite_status_is_a_refusal() {
        for status in [400, 401, 402, 403, 404, 405, 413, 415, 422, 429] {
            assert!(Refusal::by_status(StatusCode::from_u16(status).unwrap()).is_some(), "{status}");
        }
        for status in [200, 201, 202, 301, 302, 408, 409, 418, 499, 500, 501, 502, 503, 504, 529] {
            assert_eq!(Refusal::by_status(StatusCode::from_u16(status).unwrap()), None, "{status}");
        }
        for status in [100, 302, 408, 409, 500, 503, 599, 999] {
            assert!(Refusal::leaves_open(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [200, 202, 400, 404, 418, 429, 499] {
            assert!(!Refusal::leaves_open(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }

    #[test]
    fn a_client_learns_nothing_of_our_account() {
        let said = "credits of team blue are used up, see https://upstream.example/billing";
        for refusal in [AUTH, QUOTA, BUSY, CLOSED, FAILED, INVALID, POLICY] {
            let failure = refusal.failure(said);
            assert!(!failure.public.contains("blue"), "{}", failure.public);
            assert!(failure.internal.contains("billing"));
        }
    }

    #[test]
    fn words_tell_policy_from_other_refusals() {
        assert_eq!(INVALID.or_policy("Your prompt was flagged"), POLICY);
        assert_eq!(INVALID.or_policy("duration must be 8"), INVALID);
        assert_eq!(QUOTA.or_policy("policy: no money, no film"), QUOTA);
    }

    #[test]
    fn the_wait_is_believed_up_to_an_hour() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
