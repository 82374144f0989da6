//! A task and its attempts.

use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountName, GenerationRequest, IllegalTransition, OwnerId, Quote, TaskEvent, TaskId, TaskState,
    Timestamp,
};

/// One accepted generation, from the client's request to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The public id.
    pub id: TaskId,
    /// Whose it is.
    pub owner: OwnerId,
    /// The API that it was created through.
    pub dialect: String,
    /// What is wanted.
    pub request: GenerationRequest,
    /// Where it stands.
    pub state: TaskState,
    /// Submissions to upstreams, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub deadline_at: Timestamp,
    /// What it may cost.
    pub quote: Quote,
    /// Counts writes; a writer that read an older one loses.
    pub version: u64,
}

/// One submission to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1, 2, 3 ... within the task.
    pub number: u32,
    /// Where to and as what.
    #[serde(flatten)]
    pub plan: NewAttempt,
    /// When the intent was stored.
    pub intended_at: Timestamp,
    /// What became of it.
    pub outcome: AttemptOutcome,
}

/// What is decided before a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAttempt {
    /// The account.
    pub account: AccountName,
    /// The provider of the account, by registry name.
    pub provider: String,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// The account's version at that time; empty where it was not kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_version: String,
}

impl NewAttempt {
    /// Whether `account` has the address and the credential that the submission was made with, as far as that was kept.
    /// If not, it may be somebody else's: what it knows nothing of may still be at work.
    pub fn is_by(&self, account: &Account) -> bool {
        self.account_version.is_empty() || self.account_version == account.version
    }
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Stored, perhaps sent. To anyone but its writer this reads: possibly sent.
    Intended,
    /// Surely not sent.
    NotSent {
        /// Why.
        reason: String,
    },
    /// Definitely refused.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Sent, but whether it was accepted is not known.
    Unknown {
        /// Why.
        reason: String,
    },
    /// The upstream took it and gave this handle.
    Accepted {
        /// The upstream's own id of the task.
        handle: String,
        /// When.
        at: Timestamp,
    },
    /// It was accepted or unknown, and then it definitely failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// Whether it was accepted was never learned, and the operator wants another made: it may have to be paid.
    Abandoned {
        /// Why.
        reason: String,
    },
}

impl AttemptOutcome {
    /// Whether the upstream may be working on it, or has. At most one attempt of a task may be live.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Intended | Self::Unknown { .. } | Self::Accepted { .. })
    }

    /// Whether the upstream may want to be paid for it.
    pub fn may_be_paid(&self) -> bool {
        self.is_live() || matches!(self, Self::Abandoned { .. })
    }
}

impl Task {
    /// Applies `event` to the state and notes in the current attempt what the event says of it.
    pub fn apply(&mut self, event: TaskEvent, at: Timestamp) -> Result<(), IllegalTransition> {
        let state = self.state.apply(&event, at)?;
        match &event {
            TaskEvent::SubmitIntended { plan } => self.attempts.push(Attempt {
                number: self.next_attempt_number(),
                plan: plan.clone(),
                intended_at: at,
                outcome: AttemptOutcome::Intended,
            }),
            TaskEvent::SubmitNotSent { reason } => {
                self.note(AttemptOutcome::NotSent { reason: reason.clone() });
            }
            TaskEvent::SubmitRejected { reason } => {
                self.note(AttemptOutcome::Rejected { reason: reason.clone() });
            }
            TaskEvent::SubmitUnknown { reason } => {
                self.note(AttemptOutcome::Unknown { reason: reason.clone() });
            }
            TaskEvent::Accepted { handle } => {
                self.note(AttemptOutcome::Accepted { handle: handle.clone(), at });
            }
            TaskEvent::AttemptFailed { reason } => {
                self.note(AttemptOutcome::Failed { reason: reason.clone() });
            }
            TaskEvent::AttemptAbandoned { reason } => {
                self.note(AttemptOutcome::Abandoned { reason: reason.clone() });
            }
            TaskEvent::Progressed { .. }
            | TaskEvent::Ready { .. }
            | TaskEvent::Collected { .. }
            | TaskEvent::Failed { .. }
            | TaskEvent::Cancelled
            | TaskEvent::DeadlinePassed => {}
        }
        self.state = state;
        Ok(())
    }

    /// The attempt that the state speaks of; the newest.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// When an upstream first took it; absent until then.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.attempts.iter().find_map(|attempt| match attempt.outcome {
            AttemptOutcome::Accepted { at, .. } => Some(at),
            _ => None,
        })
    }

    fn next_attempt_number(&self) -> u32 {
        self.attempts.last().map_or(1, |attempt| attempt.number + 1)
    }

    fn note(&mut self, outcome: AttemptOutcome) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.outcome = outcome;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Scope;

    pub(crate) fn queued() -> Task {
        Task {
            id: TaskId::new("t"),
            owner: OwnerId::new("o"),
            dialect: "v2".into(),
            request: GenerationRequest::new(Scope::Videos, "veo3", "a cat"),
            state: TaskState::Queued,
            attempts: vec![],
            created_at: Timestamp::from_millis(0),
            deadline_at: Timestamp::from_millis(1_000_000),
            quote: Quote::default(),
            version: 0,
        }
    }

    #[test]
    fn an_illegal_event_changes_nothing() {
        let mut task = queued();
        let error =
            task.apply(TaskEvent::Accepted { handle: "h".into() }, Timestamp::from_millis(1)).unwrap_err();
        assert_eq!(error.to_string(), "a task that is queued cannot take the event Accepted");
        assert_eq!(task, queued());
    }
}
