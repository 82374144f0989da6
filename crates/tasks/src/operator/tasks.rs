//! Tasks as the operator finds them, and what the operator may do about one.

use domain::{AccountName, Failure, FailureKind, OwnerId, Scope, Task, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{CrashingTask, TaskSearch};

use super::page::{self, Listed, Page, PageQuery};
use super::schema::{Amount, ResultScope};
use super::span::{span_end, span_start};
use super::task_view::TaskView;
use super::{DeliveryView, Operator};
use crate::operator::ledger::RowView;
use crate::shared::store_failure;

/// Tasks that one answer looks at, however few of them fit.
const SCAN_MAX: usize = 10_000;
/// How far into the list of tasks in quarantine one may go.
const QUARANTINED_MAX: i64 = 10_000;

/// Which tasks are wanted. What is left out does not matter; what is given must all fit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskQuery {
    /// Where they stand.
    pub state: Option<StateName>,
    /// The kind of their results.
    #[schemars(with = "Option<ResultScope>")]
    pub scope: Option<Scope>,
    /// Their public model.
    pub model: Option<String>,
    /// An account that made one of their attempts.
    pub account: Option<String>,
    /// Whose they are: the id of a client key.
    pub owner: Option<String>,
    /// Accepted on this day (in UTC) or later, or at this moment (RFC 3339) or later.
    pub from: Option<String>,
    /// Accepted until the end of this day, or before this moment.
    pub to: Option<String>,
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// Where a task may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(missing_docs, reason = "they are the states of domain::TaskState")]
pub enum StateName {
    Queued,
    Submitting,
    Unknown,
    Running,
    Collecting,
    Succeeded,
    Failed,
    Cancelled,
    Expired,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskRow {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The kind of result.
    pub scope: &'static str,
    /// The public model.
    pub model: String,
    /// Where it stands.
    pub state: &'static str,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// When it ended, likewise.
    pub ended_at_ms: Option<i64>,
    /// How many submissions there were.
    pub attempts: usize,
    /// Where the last of them went.
    pub account: Option<String>,
    /// What was set aside for it.
    #[schemars(with = "Amount")]
    pub reserved: domain::Money,
}

/// A task with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskDetails {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// When somebody looks at it next, in milliseconds since the Unix epoch; absent once it has ended.
    pub due_at_ms: Option<i64>,
    /// How often in a row it has crashed whoever took a step with it.
    pub crashes: u32,
    /// When its owner asked to stop it, in milliseconds since the Unix epoch.
    pub cancel_requested_at_ms: Option<i64>,
    /// Since when it does not exist for its owner, likewise.
    pub forgotten_at_ms: Option<i64>,
    /// The message that tells of its end.
    pub delivery: Option<DeliveryView>,
    /// Its rows of the ledger, oldest first.
    pub ledger: Vec<RowView>,
}

/// A task that is left alone because it has crashed whoever worked on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QuarantinedView {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The public model.
    pub model: String,
    /// Where it stands.
    pub state: String,
    /// How often in a row.
    pub crashes: u32,
    /// When it ends at the latest, in milliseconds since the Unix epoch.
    pub deadline_at_ms: i64,
}

impl Listed for TaskRow {
    const PLURAL: &'static str = "tasks";
}

impl Listed for QuarantinedView {
    const PLURAL: &'static str = "quarantined";
}

impl Operator {
    /// Tasks that fit, newest first. One answer looks at a bounded number of tasks: where few fit it may have none and still
    /// say where to go on.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<Page<TaskRow>, Failure> {
        let moment = |field: &'static str, text: &Option<String>, read: fn(&str) -> Result<_, String>| {
            let read = |text: &String| read(text).map_err(|expected| wrong_moment(field, &expected));
            text.as_ref().map(read).transpose()
        };
        let search = TaskSearch {
            state: query.state.map(|state| state.as_str().to_owned()),
            scope: query.scope,
            model: query.model.clone(),
            account: query.account.as_ref().map(AccountName::new),
            owner: query.owner.as_ref().map(OwnerId::new),
            from: moment("from", &query.from, span_start)?,
            to: moment("to", &query.to, span_end)?,
            after: query.after.as_ref().map(TaskId::new),
            limit: page::size(query.max)?,
            scan_max: SCAN_MAX,
        };
        let found = self.shared.store.search_tasks(&search).await.map_err(|error| store_failure(&error))?;
        let next = found.next.map(|id| id.to_string());
        Ok(Page { items: found.tasks.iter().map(TaskRow::of).collect(), next })
    }

    /// The task of that id with all that belongs to it, whoever's it is.
    pub async fn task(&self, id: &str) -> Result<TaskDetails, Failure> {
        let found =
            self.shared.store.task_file(&TaskId::new(id)).await.map_err(|error| store_failure(&error))?;
        let file = found.ok_or_else(unknown)?;
        let millis = |at: Option<domain::Timestamp>| at.map(domain::Timestamp::as_millis);
        Ok(TaskDetails {
            task: TaskView::of(&file.task),
            due_at_ms: millis(file.due_at),
            crashes: file.crashes,
            cancel_requested_at_ms: millis(file.cancel_requested_at),
            forgotten_at_ms: millis(file.forgotten_at),
            delivery: file.delivery.map(DeliveryView::of),
            ledger: file.ledger.iter().map(RowView::of).collect(),
        })
    }

    /// Asks for a live task to stop, as its owner might: what no upstream works on ends soon, an upstream is asked to stop and
    /// may go on all the same.
    pub async fn cancel(&self, id: &str) -> Result<TaskDetails, Failure> {
        let noted = self.shared.store.request_cancel(&TaskId::new(id)).await;
        self.changed_task(id, noted.map_err(|error| store_failure(&error))?).await
    }

    /// Makes a live task due at once, unless somebody works on it.
    pub async fn make_due(&self, id: &str) -> Result<TaskDetails, Failure> {
        let noted = self.shared.store.make_due(&TaskId::new(id)).await;
        self.changed_task(id, noted.map_err(|error| store_failure(&error))?).await
    }

    /// Forgets the crashes of a live task, so that it goes on.
    pub async fn release(&self, id: &str) -> Result<TaskDetails, Failure> {
        let pardoned =
            self.shared.store.pardon(&TaskId::new(id)).await.map_err(|error| store_failure(&error))?;
        if !pardoned {
            return Err(Failure::new(FailureKind::NotFound, "no live task of that id has crashed"));
        }
        self.changed_task(id, true).await
    }

    /// Tasks that are left alone, the worst first.
    pub async fn quarantined(&self, query: &PageQuery) -> Result<Page<QuarantinedView>, Failure> {
        let (skipped, max) = (page::number(query.after.as_deref())?, page::size(query.max)?);
        if skipped > QUARANTINED_MAX {
            return Err(Failure::invalid("after", format!("after: at most {QUARANTINED_MAX}")));
        }
        let skipped = usize::try_from(skipped).unwrap_or_default();
        let crashes_max = self.shared.settings.crashes_max;
        let listed = self.shared.store.crashing(crashes_max, skipped + max + 1).await;
        let listed = listed.map_err(|error| store_failure(&error))?;
        let rest: Vec<CrashingTask> = listed.into_iter().skip(skipped).collect();
        Ok(Page::of_more(rest, max, |_last| (skipped + max).to_string()).map(QuarantinedView::of))
    }

    async fn changed_task(&self, id: &str, is_live: bool) -> Result<TaskDetails, Failure> {
        let task = self.task(id).await?;
        if !is_live {
            return Err(Failure::invalid("id", "id: the task has ended"));
        }
        self.shared.wake.notify_one();
        Ok(task)
    }
}

impl StateName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitting => "submitting",
            Self::Unknown => "unknown",
            Self::Running => "running",
            Self::Collecting => "collecting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl TaskRow {
    fn of(task: &Task) -> Self {
        Self {
            id: task.id.to_string(),
            owner: task.owner.to_string(),
            scope: task.request.scope.as_str(),
            model: task.request.model.clone(),
            state: task.state.name(),
            created_at_ms: task.created_at.as_millis(),
            ended_at_ms: task.state.ended_at().map(domain::Timestamp::as_millis),
            attempts: task.attempts.len(),
            account: task.attempts.last().map(|attempt| attempt.plan.account.to_string()),
            reserved: task.quote.reserved,
        }
    }
}

impl QuarantinedView {
    fn of(task: CrashingTask) -> Self {
        Self {
            id: task.task.to_string(),
            owner: task.owner.to_string(),
            model: task.model,
            state: task.state,
            crashes: task.crashes,
            deadline_at_ms: task.deadline_at.as_millis(),
        }
    }
}

/// What is said of a moment that is none.
pub(super) fn wrong_moment(field: &str, expected: &str) -> Failure {
    Failure::invalid(field, format!("{field}: expected {expected}"))
}

fn unknown() -> Failure {
    Failure::new(FailureKind::NotFound, "no task of that id")
}
