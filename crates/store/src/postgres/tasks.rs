//! Making, changing and reading tasks.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, Task, TaskId};
use tokio::try_join;
use tokio_postgres::Row;

use super::attempts;
use super::claims::{self, Reckoning};
use super::durations::{millis, wait};
use super::failure::failed;
use super::retry::Tries;
use super::rows::{attempt_columns, get, joined, signed, task_columns, unsigned};
use super::session::Session;
use super::{PostgresStore, daily, deliveries, late, ledger, wishes};
use crate::entries::{self, Entry};
use crate::rows::{ChangeRow, NewRow};
use crate::{
    Admission, Claim, CrashingTask, DailyKey, DailyLimit, DailyUse, DailyVerdict, Ending, ListTasks,
    LiveHolding, Next, StoreError, Tasks, Terms,
};

pub(super) const LOAD: &str = concat!(
    "SELECT ",
    task_columns!(),
    ", ",
    attempt_columns!(),
    " FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id
      WHERE tasks.id = $1 AND tasks.forgotten_at IS NULL ORDER BY attempts.number"
);
pub(super) const LIVE_TASKS: &str =
    "SELECT state, COUNT(*) AS count FROM tasks WHERE due_at IS NOT NULL GROUP BY state";
pub(super) const LIVE_HOLDINGS: &str = "SELECT tasks.id, tasks.owner, tasks.model, attempts.account
    FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live
    WHERE tasks.due_at IS NOT NULL";
const ADVANCE: &str = "UPDATE tasks
    SET state = $4, state_data = $5, ended_at = $6, version = version + 1,
        due_at = CASE WHEN $6::BIGINT IS NULL THEN {now} + $7 END,
        lease_holder = CASE WHEN $8 THEN lease_holder END, crashes = CASE WHEN $8 THEN crashes ELSE 0 END
    WHERE id = $1 AND (version = $2 AND lease_holder IS NOT NULL OR $9) AND (lease_epoch = $3 OR $10)
    RETURNING owner, version";
/// What another try of the same has written would be there as it was to be written.
const IS_WRITTEN: &str = "SELECT 1 FROM tasks WHERE id = $1 AND version = $2::BIGINT + 1 AND state_data = $3";
/// What comes back to the owner: the slot of a task that has ended, and what is not spent.
const FREE: &str =
    "UPDATE owners SET live_tasks = live_tasks - $2, committed = committed + $3 WHERE owner = $1";

/// What is written when a task changes.
struct Change<'a> {
    task: &'a Task,
    epoch: u64,
    row: ChangeRow,
    next: Next,
    end: Option<&'a Ending>,
    entries: Vec<Entry>,
}

#[async_trait]
impl Tasks for PostgresStore {
    async fn create(&self, task: &Task, terms: &Terms) -> Result<Admission, StoreError> {
        self.accepts.create(NewRow::encode(task)?, terms.clone()).await
    }

    async fn load(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        let rows = self.pool.session().await?.query(LOAD, [&id.as_str()]).await;
        let tasks = joined(&rows.map_err(failed("reading a task"))?)?;
        tasks.into_iter().next().map(crate::rows::TaskRow::decode).transpose()
    }

    async fn claim_due(&self, holder: &str, lease: Duration, max: usize) -> Result<Vec<Claim>, StoreError> {
        claims::claim_due(&self.pool, &self.unreadable, (holder, lease), max).await
    }

    async fn advance(
        &self,
        task: &Task,
        epoch: u64,
        next: Next,
        end: Option<&Ending>,
    ) -> Result<u64, StoreError> {
        let settlement = end.and_then(|end| end.settlement);
        let entries = settlement.map(|settlement| entries::end(task, settlement)).unwrap_or_default();
        let change = Change { task, epoch, row: ChangeRow::encode(task)?, next, end, entries };
        let mut tries = Tries::default();
        let version = loop {
            let session = self.pool.session().await;
            let advanced = match session {
                Ok(session) => advance(&session, &change, &tries).await,
                Err(error) => Err(error),
            };
            match advanced {
                Err(error) if tries.again_in_doubt(&error).await => {}
                advanced => break advanced?,
            }
        };
        if end.is_some() {
            failpoints::pass("end_stored");
        }
        self.nudging.changed(&task.id);
        Ok(version)
    }

    async fn use_daily(
        &self,
        (id, epoch): &(TaskId, u64),
        attempt: u32,
        limits: &[DailyLimit],
        price: Money,
    ) -> Result<DailyVerdict, StoreError> {
        let mut tries = Tries::default();
        loop {
            let session = self.pool.session().await?;
            let counted = daily::count_attempt(&session, (id, *epoch, attempt), limits, price).await;
            match session.end(counted).await {
                Err(error) if tries.again_in_doubt(&error).await => {}
                counted => return counted,
            }
        }
    }

    async fn used_today(&self, keys: &[DailyKey]) -> Result<Vec<DailyUse>, StoreError> {
        daily::used_today(&self.pool.session().await?, keys).await
    }

    async fn release(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError> {
        self.give_back(claims, delay, Reckoning::Over).await
    }

    async fn defer(&self, claims: &[(TaskId, u64)], delay: Duration) -> Result<(), StoreError> {
        self.give_back(claims, delay, Reckoning::Same).await
    }

    async fn crashed(&self, claim: &(TaskId, u64), delay: Duration) -> Result<(), StoreError> {
        self.give_back(std::slice::from_ref(claim), delay, Reckoning::OneMore).await
    }

    async fn crashing(&self, crashes_min: u32, max: usize) -> Result<Vec<CrashingTask>, StoreError> {
        claims::crashing(&self.pool.session().await?, crashes_min, max).await
    }

    async fn pardon(&self, id: &TaskId) -> Result<bool, StoreError> {
        let changed = self.pool.session().await?.execute(claims::PARDON, [&id.as_str()]).await;
        self.made_due(changed.map_err(failed("forgetting crashes"))?)
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError> {
        let row = self.pool.session().await?.first(claims::NEXT_DUE, [&self.unreadable.marks()]).await;
        row.map_err(failed("reading the next due time"))?.as_ref().map(wait).transpose()
    }

    async fn live_holdings(&self) -> Result<Vec<LiveHolding>, StoreError> {
        let rows = self.pool.session().await?.query(LIVE_HOLDINGS, []).await;
        let holding = |row: &Row| {
            Ok(LiveHolding {
                task: TaskId::new(get::<String>(row, "id")?),
                owner: OwnerId::new(get::<String>(row, "owner")?),
                model: get(row, "model")?,
                account: get::<Option<String>>(row, "account")?.map(AccountName::new),
            })
        };
        rows.map_err(failed("reading live tasks"))?.iter().map(holding).collect()
    }

    async fn live_tasks(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.pool.session().await?.query(LIVE_TASKS, []).await;
        let count = |row: &Row| Ok((get(row, "state")?, unsigned(row, "count")?));
        rows.map_err(failed("counting live tasks"))?.iter().map(count).collect()
    }

    async fn list(&self, owner: &OwnerId, wanted: &ListTasks) -> Result<Vec<Task>, StoreError> {
        wishes::list(&self.pool.session().await?, owner, wanted).await
    }

    async fn request_cancel(&self, id: &TaskId) -> Result<bool, StoreError> {
        let changed = self.pool.session().await?.execute(wishes::REQUEST_CANCEL, [&id.as_str()]).await;
        self.made_due(changed.map_err(failed("noting a wish to cancel"))?)
    }

    async fn make_due(&self, id: &TaskId) -> Result<bool, StoreError> {
        let changed = self.pool.session().await?.execute(wishes::MAKE_DUE, [&id.as_str()]).await;
        self.made_due(changed.map_err(failed("making a task due"))?)
    }

    async fn forget(&self, id: &TaskId) -> Result<bool, StoreError> {
        let changed = self.pool.session().await?.execute(wishes::FORGET, [&id.as_str()]).await;
        Ok(changed.map_err(failed("forgetting a task"))? == 1)
    }
}

impl PostgresStore {
    async fn give_back(
        &self,
        claims: &[(TaskId, u64)],
        delay: Duration,
        reckoning: Reckoning,
    ) -> Result<(), StoreError> {
        let mut tries = Tries::default();
        loop {
            let session = self.pool.session().await?;
            match claims::give_back(&session, claims, delay, reckoning).await {
                Err(error) if tries.again_in_doubt(&error).await => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.nudging.due();
        Ok(())
    }

    /// Whether a task was changed; if so, the others hear that one may be due.
    pub(super) fn made_due(&self, changed: u64) -> Result<bool, StoreError> {
        if changed > 0 {
            self.nudging.due();
        }
        Ok(changed > 0)
    }
}

/// Writes a change, with what comes with it, in one transaction; the new version.
async fn advance(session: &Session, change: &Change<'_>, tries: &Tries) -> Result<u64, StoreError> {
    match write(session, change).await {
        Ok((owner, version)) => settle(session, change, &owner).await.map(|()| version),
        // The try before may have been done. If so, the row has waited for it, and has what was written.
        Err(StoreError::Stale) if tries.is_in_doubt() => {
            let version = signed(change.task.version);
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&change.task.id.as_str(), &version, &change.row.state_data];
            let written = session.first(IS_WRITTEN, values).await.map_err(failed("reading a task"));
            session.roll_back().await;
            if written?.is_some() { Ok(change.task.version + 1) } else { Err(StoreError::Stale) }
        }
        Err(error) => {
            session.roll_back().await;
            Err(error)
        }
    }
}

/// Writes the task if its claim is held, and what nobody else waits for: its attempts, its message. The owner and the new
/// version.
async fn write(session: &Session, change: &Change<'_>) -> Result<(String, u64), StoreError> {
    let Change { task, row, end, .. } = change;
    let (id, version, epoch) = (task.id.as_str(), signed(task.version), signed(change.epoch));
    let (delay, keeps_claim) = match change.next {
        Next::Keep { lease } => (millis(lease), row.ended_at.is_none()),
        Next::Due { after } => (millis(after), false),
    };
    let (any_version, any_epoch) =
        (failpoints::removed("end_compare_and_set"), failpoints::removed("lease_epoch"));
    let update = async {
        let [update] = session.prepare([ADVANCE]).await?;
        try_join!(
            biased;
            session.begin(),
            session.rows(
                &update,
                [
                    &id, &version, &epoch, &row.state, &row.state_data, &row.ended_at, &delay, &keeps_claim,
                    &any_version, &any_epoch,
                ],
            ),
        )
    };
    let ((), updated) = update.await.map_err(failed("changing a task"))?;
    let updated = updated.first().ok_or(StoreError::Stale)?;
    let mut columns = attempts::Columns::default();
    columns.add(id, &row.attempts);
    if !columns.is_empty() {
        session.execute(attempts::STORE, columns.values()).await.map_err(attempts::refused)?;
    }
    if let Some(message) = end.and_then(|end| end.message.as_ref()) {
        deliveries::store(session, id, message).await.map_err(failed("storing a delivery"))?;
    }
    if let Some(watch) = end.and_then(|end| end.watch) {
        late::begin(session, id, watch).await.map_err(failed("watching an ended task"))?;
    }
    Ok((get(updated, "owner")?, unsigned(updated, "version")?))
}

/// Gives back what the change frees, and commits. What many wait for, the owner and the days, is locked for this one round
/// trip only.
async fn settle(session: &Session, change: &Change<'_>, owner: &str) -> Result<(), StoreError> {
    let Change { task, row, entries, .. } = change;
    let (id, has_ended) = (task.id.as_str(), row.ended_at.is_some());
    let (slots, billionths) = (i64::from(has_ended), entries.iter().map(Entry::commits).sum::<i64>());
    let unpaid: Vec<i64> = row.unpaid.iter().map(|number| i64::from(*number)).collect();
    let made: Vec<i64> = row.attempts.iter().map(|attempt| i64::from(attempt.number)).collect();
    let (no_days, no_money) = (!has_ended && unpaid.is_empty(), billionths == 0);
    let columns = ledger::Columns::of(entries.iter());
    let settle = async {
        let [free, lock] = session.prepare([FREE, daily::LOCK_OF_TASK]).await?;
        let [give_back, forget] = session.prepare([daily::GIVE_BACK_UNPAID, daily::FORGET_UNPAID]).await?;
        let [spend, append] = session.prepare([ledger::CHANGE_SPEND, ledger::APPEND]).await?;
        try_join!(
            biased;
            session.run_unless(!has_ended && no_money, &free, [&owner, &slots, &billionths]),
            session.rows_unless(no_days && no_money, &lock, [&id]),
            session.run_unless(no_days, &give_back, [&id, &has_ended, &unpaid, &made]),
            session.run_unless(no_days, &forget, [&id, &has_ended, &unpaid, &made]),
            session.run_unless(no_money, &spend, [&id, &billionths]),
            session.run_unless(columns.is_empty(), &append, columns.values()),
            session.commit(),
        )
    };
    let settled = settle.await.map(drop);
    settled.map_err(|failure| match failure.violated() {
        Some("ledger_once") => StoreError::Conflict(format!("a row of the ledger for task {id}")),
        _ => failed("settling a task")(failure),
    })
}
