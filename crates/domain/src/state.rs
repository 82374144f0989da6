//! Where a task stands, and the only place where that changes.

use serde::{Deserialize, Serialize};

use crate::{Failure, FailureKind, NewAttempt, Output, Source, Timestamp};

/// Where a task stands. Each variant holds only what is true in it.
///
/// ```text
/// Queued ─► Submitting ─► Running ─► Collecting ─► Succeeded
///   ▲  ▲        │  │  ▲      │                  └─► Expired (where the results could not be had in time)
///   │  └────────┘  ▼  │      └─► Failed, Cancelled, Expired (from every state before Collecting)
///   │           Unknown
///   └── a definite failure of one attempt, when another may follow
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TaskState {
    /// Stored; no upstream works on it. After a crash: goes on as if nothing had happened.
    Queued,
    /// An intent is stored and the submission may be on its way. After a crash: becomes `Unknown`.
    Submitting {
        /// Since when.
        since: Timestamp,
    },
    /// A submission was sent and its answer is lost. Never submitted again by itself: that could cost twice.
    Unknown {
        /// Since when.
        since: Timestamp,
    },
    /// An upstream took it. After a crash: polled again.
    Running {
        /// The upstream's own id of the task.
        handle: String,
        /// When the upstream took it.
        since: Timestamp,
        /// What the upstream said, 0 to 99; absent if it says nothing.
        percent: Option<u8>,
    },
    /// The upstream has finished and the results are being copied. After a crash: asked for and copied again.
    Collecting {
        /// The upstream's own id of the task.
        handle: String,
        /// Since when.
        since: Timestamp,
        /// The results, where the upstream keeps them.
        sources: Vec<Source>,
    },
    /// The end: the results can be read.
    Succeeded {
        /// The results.
        outputs: Vec<Output>,
        /// When.
        at: Timestamp,
    },
    /// The end: it failed.
    Failed {
        /// Why.
        failure: Failure,
        /// When.
        at: Timestamp,
    },
    /// The end: the client no longer wants it.
    Cancelled {
        /// When.
        at: Timestamp,
    },
    /// The end: its deadline passed.
    Expired {
        /// When.
        at: Timestamp,
    },
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskEvent {
    /// A submission is about to be sent.
    SubmitIntended {
        /// Where to and as what.
        plan: NewAttempt,
    },
    /// The submission surely did not leave.
    SubmitNotSent {
        /// Why, for the operator.
        reason: String,
    },
    /// The upstream definitely refused the submission.
    SubmitRejected {
        /// Why, for the operator.
        reason: String,
    },
    /// Whether the upstream accepted cannot be told.
    SubmitUnknown {
        /// Why, for the operator.
        reason: String,
    },
    /// The upstream took it.
    Accepted {
        /// The upstream's own id of the task.
        handle: String,
    },
    /// The upstream is at work.
    Progressed {
        /// 0 to 100.
        percent: Option<u8>,
    },
    /// The upstream has finished.
    Ready {
        /// The results, where the upstream keeps them.
        sources: Vec<Source>,
    },
    /// The results were copied.
    Collected {
        /// The results.
        outputs: Vec<Output>,
    },
    /// The upstream's work definitely failed, and another attempt may follow.
    AttemptFailed {
        /// Why, for the operator.
        reason: String,
    },
    /// Whether the upstream took it was never learned, and the operator wants another attempt.
    AttemptAbandoned {
        /// Why, for the operator.
        reason: String,
    },
    /// The task cannot succeed any more.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The client no longer wants it.
    Cancelled,
    /// The deadline passed.
    DeadlinePassed,
}

/// An event that cannot happen in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event's name.
    pub event: String,
}

impl TaskState {
    /// The state after `event` at the moment `at`. End states take no event at all.
    pub fn apply(&self, event: &TaskEvent, at: Timestamp) -> Result<Self, IllegalTransition> {
        use TaskEvent as E;
        let next = match (self, event) {
            (Self::Queued, E::SubmitIntended { .. }) => Self::Submitting { since: at },
            (Self::Submitting { .. }, E::SubmitNotSent { .. } | E::SubmitRejected { .. }) => Self::Queued,
            (Self::Submitting { .. }, E::SubmitUnknown { .. }) => Self::Unknown { since: at },
            (Self::Submitting { .. } | Self::Unknown { .. }, E::Accepted { handle }) => {
                Self::Running { handle: handle.clone(), since: at, percent: None }
            }
            (Self::Running { handle, since, percent }, E::Progressed { percent: new }) => Self::Running {
                handle: handle.clone(),
                since: *since,
                percent: (*percent).max(new.map(|new| new.min(99))),
            },
            (Self::Running { handle, .. }, E::Ready { sources }) => {
                Self::Collecting { handle: handle.clone(), since: at, sources: sources.clone() }
            }
            (Self::Collecting { handle, since, .. }, E::Ready { sources }) => {
                Self::Collecting { handle: handle.clone(), since: *since, sources: sources.clone() }
            }
            (Self::Collecting { .. }, E::Collected { outputs }) => {
                Self::Succeeded { outputs: outputs.clone(), at }
            }
            (Self::Unknown { .. } | Self::Running { .. }, E::AttemptFailed { .. })
            | (Self::Unknown { .. }, E::AttemptAbandoned { .. }) => Self::Queued,
            (Self::Queued, E::Failed { failure }) => Self::Failed { failure: failure.clone(), at },
            (Self::Queued | Self::Unknown { .. } | Self::Running { .. }, E::Cancelled) => {
                Self::Cancelled { at }
            }
            (Self::Queued | Self::Running { .. } | Self::Collecting { .. }, E::DeadlinePassed) => {
                Self::Expired { at }
            }
            (Self::Unknown { .. }, E::DeadlinePassed) => {
                let text = "it could not be established whether the provider accepted the task";
                Self::Failed { failure: Failure::new(FailureKind::OutcomeUnknown, text), at }
            }
            _ => return Err(IllegalTransition { state: self.name(), event: event.name() }),
        };
        Ok(next)
    }

    /// Whether the task has ended; an ended task never changes again.
    pub fn is_terminal(&self) -> bool {
        self.ended_at().is_some()
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { at, .. }
            | Self::Failed { at, .. }
            | Self::Cancelled { at }
            | Self::Expired { at } => Some(*at),
            _ => None,
        }
    }

    /// The name of the state, for logs, metrics and the store.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitting { .. } => "submitting",
            Self::Unknown { .. } => "unknown",
            Self::Running { .. } => "running",
            Self::Collecting { .. } => "collecting",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
        }
    }
}

impl TaskEvent {
    fn name(&self) -> String {
        let debug = format!("{self:?}");
        debug.split([' ', '{']).next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountName, AttemptOutcome, MediaKind, OutputMedia, Task, task::tests::queued};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn plan() -> NewAttempt {
        NewAttempt {
            account: AccountName::new("a"),
            provider: "p".into(),
            upstream_model: "m".into(),
            account_version: String::new(),
        }
    }

    fn source() -> Source {
        Source::open(MediaKind::Video, "https://example.com/a.mp4")
    }

    fn output() -> Output {
        Output { kind: MediaKind::Video, media: OutputMedia::Remote { url: source().url } }
    }

    fn every_event() -> Vec<TaskEvent> {
        let reason = || "r".to_owned();
        vec![
            TaskEvent::SubmitIntended { plan: plan() },
            TaskEvent::SubmitNotSent { reason: reason() },
            TaskEvent::SubmitRejected { reason: reason() },
            TaskEvent::SubmitUnknown { reason: reason() },
            TaskEvent::Accepted { handle: "h".into() },
            TaskEvent::Progressed { percent: Some(50) },
            TaskEvent::Ready { sources: vec![source()] },
            TaskEvent::Collected { outputs: vec![output()] },
            TaskEvent::AttemptFailed { reason: reason() },
            TaskEvent::AttemptAbandoned { reason: reason() },
            TaskEvent::Failed { failure: Failure::new(FailureKind::GenerationFailed, "f") },
            TaskEvent::Cancelled,
            TaskEvent::DeadlinePassed,
        ]
    }

    /// All tasks that any sequence of at most `depth` events leads to.
    fn reachable(depth: usize) -> Vec<Task> {
        let mut all = vec![queued()];
        let mut newest = all.clone();
        for _ in 0..depth {
            newest = newest
                .iter()
                .flat_map(|task| every_event().into_iter().map(move |event| (task.clone(), event)))
                .filter_map(|(mut task, event)| task.apply(event, NOW).ok().map(|()| task))
                .collect();
            all.extend(newest.iter().cloned());
        }
        all
    }

    #[test]
    fn the_main_path_leads_to_success() {
        let mut task = queued();
        let path = [0, 4, 5, 6, 7];
        for index in path {
            task.apply(every_event()[index].clone(), NOW).unwrap();
        }
        assert_eq!(task.state, TaskState::Succeeded { outputs: vec![output()], at: NOW });
        assert_eq!(task.started_at(), Some(NOW));
    }

    #[test]
    fn an_ended_task_takes_no_event() {
        for task in reachable(6).iter().filter(|task| task.state.is_terminal()) {
            for event in every_event() {
                assert!(task.clone().apply(event.clone(), NOW).is_err(), "{task:?} took {event:?}");
            }
        }
    }

    #[test]
    fn at_most_one_attempt_may_be_live_and_only_from_queued_may_one_begin() {
        for task in reachable(6) {
            let live = task.attempts.iter().filter(|attempt| attempt.outcome.is_live()).count();
            assert!(live <= 1, "{task:?}");
            if task.state == TaskState::Queued {
                assert_eq!(live, 0, "a queued task must not have an upstream at work: {task:?}");
            } else {
                assert!(task.clone().apply(every_event()[0].clone(), NOW).is_err(), "{task:?}");
            }
        }
    }

    #[test]
    fn nothing_but_a_definite_word_leads_out_of_unknown() {
        let mut task = queued();
        task.apply(every_event()[0].clone(), NOW).unwrap();
        task.apply(every_event()[3].clone(), NOW).unwrap();
        let legal: Vec<_> =
            every_event().into_iter().filter(|e| task.clone().apply(e.clone(), NOW).is_ok()).collect();
        let names: Vec<String> = legal.iter().map(TaskEvent::name).collect();
        assert_eq!(names, ["Accepted", "AttemptFailed", "AttemptAbandoned", "Cancelled", "DeadlinePassed"]);
        task.apply(TaskEvent::DeadlinePassed, NOW).unwrap();
        assert!(
            matches!(&task.state, TaskState::Failed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown)
        );
        assert!(
            matches!(task.attempts[0].outcome, AttemptOutcome::Unknown { .. }),
            "the attempt stays unknown"
        );
    }

    #[test]
    fn progress_never_goes_back_nor_reaches_the_end_by_itself() {
        let running = |percent| TaskState::Running { handle: "h".into(), since: NOW, percent };
        let after = |state: TaskState, percent| state.apply(&TaskEvent::Progressed { percent }, NOW).unwrap();
        assert_eq!(after(running(Some(60)), Some(40)), running(Some(60)));
        assert_eq!(after(running(Some(60)), None), running(Some(60)));
        assert_eq!(after(running(None), Some(100)), running(Some(99)));
    }

    #[test]
    fn every_state_survives_its_stored_form() {
        for task in reachable(6) {
            let json = serde_json::to_string(&task.state).unwrap();
            assert_eq!(serde_json::from_str::<TaskState>(&json).unwrap(), task.state);
        }
    }
}
