//! What went wrong, with what a client may read kept apart from what only the operator may.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failure of a request or of a task. Only `kind`, `public`, `field` and `retry_after` may ever reach a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind:?}: {public} ({internal})")]
pub struct Failure {
    /// The class; dialects map it to their status and code.
    pub kind: FailureKind,
    /// One sentence for the client. Never an upstream's host, account or body.
    pub public: String,
    /// What the log and the operator may see besides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub internal: String,
    /// The request field at fault, as the client named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When trying again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// What the worker may do next; meaningless to a client.
    #[serde(default)]
    pub retry: Retry,
}

/// Advice to the worker after a provider's definite "no".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The task fails: another try would get the same answer.
    #[default]
    Never,
    /// The same account may be tried later: it is busy.
    Later,
    /// Another account may be tried now; this one is out of order or out of money.
    Elsewhere,
}

/// The classes of failure. The names are those of the field's APIs where they agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is malformed or asks what its model cannot do.
    InvalidRequest,
    /// No key, or not a valid one.
    Unauthorized,
    /// The path, task or asset does not exist for this client.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// No such model.
    ModelNotFound,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Too many requests a minute.
    RateLimited,
    /// Too many tasks at one time.
    TooManyTasks,
    /// The client's budget has no room for the price of the task; nothing was accepted.
    OutOfBudget,
    /// The idempotency key belongs to an earlier request that asked for something else; nothing was accepted.
    KeyReused,
    /// The gateway is full or its store is away; nothing was accepted.
    Overloaded,
    /// A fault of the gateway itself.
    Internal,
    /// The provider refused the content.
    ContentPolicy,
    /// The provider refused the request for another reason.
    UpstreamRejected,
    /// The provider refused our credential.
    UpstreamAuth,
    /// Our account at the provider has no money left.
    UpstreamQuota,
    /// The provider limits our rate.
    UpstreamBusy,
    /// The provider tried and failed.
    GenerationFailed,
    /// Whether the provider accepted the task could not be established in time.
    OutcomeUnknown,
    /// No account could take the task.
    NoRoute,
    /// The deadline passed.
    Expired,
    /// The task has not ended: it is not ready for what was asked, or the reply could wait no longer. It goes on.
    StillRunning,
}

impl FailureKind {
    /// The kind as it is stored and counted: `outcome_unknown`.
    pub fn name(self) -> String {
        let text = serde_json::to_value(self).ok();
        text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Failure {
    /// A failure with a sentence for the client.
    pub fn new(kind: FailureKind, public: impl Into<String>) -> Self {
        Self {
            kind,
            public: public.into(),
            internal: String::new(),
            field: None,
            retry_after: None,
            retry: Retry::Never,
        }
    }

    /// A request field that cannot be accepted.
    pub fn invalid(field: impl Into<String>, public: impl Into<String>) -> Self {
        let mut failure = Self::new(FailureKind::InvalidRequest, public);
        failure.field = Some(field.into());
        failure
    }

    /// A fault of ours: the client learns nothing but that it happened.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, "internal error").with_internal(what)
    }

    /// Adds what only the operator may see.
    #[must_use]
    pub fn with_internal(mut self, what: impl Into<String>) -> Self {
        self.internal = what.into();
        self
    }

    /// Adds when trying again may help.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds advice to the worker.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// An error with all its sources in one line, for the operator.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_a_name_for_labels() {
        assert_eq!(FailureKind::OutcomeUnknown.name(), "outcome_unknown");
    }
}
