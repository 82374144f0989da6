//! What operators ask and decide.

use async_trait::async_trait;
use domain::{AccountName, OwnerId, Scope, TaskId, Timestamp};

use super::deliveries::{delivery, delivery_columns};
use super::failure::failed;
use super::rows::{TaskRow, get, limit, task, task_columns, with_attempts};
use super::session::Session;
use super::{PostgresStore, summary};
use crate::{Delivery, LiveSummary, Operations, StoreError, SummaryBounds, TaskPage, TaskSearch};

/// By the primary key, so that nothing is sorted and what is looked at is bounded by `$2`. Accounts are an array, so that
/// those of a task are looked up by its id.
const SEARCH: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE id < $1 AND id >= $2
         AND ($3::TEXT IS NULL OR state = $3) AND ($4::TEXT IS NULL OR scope = $4)
         AND ($5::TEXT IS NULL OR model = $5)
         AND ($6::TEXT IS NULL OR $6 = ANY(ARRAY(SELECT account FROM attempts WHERE task_id = tasks.id)))
         AND ($7::TEXT IS NULL OR owner = $7) AND created_at >= $8 AND created_at < $9
     ORDER BY id DESC LIMIT $10"
);
/// The last that a search may look at.
const LAST_LOOKED_AT: &str = "SELECT id FROM tasks WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
/// More than any id: the highest character there is.
const AFTER_ALL: &str = "\u{10ffff}";

/// Attempts of ended tasks count as long as their upstreams are watched.
const VERSIONS: &str = "SELECT attempts.account_version
    FROM tasks JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live WHERE tasks.due_at IS NOT NULL
    UNION SELECT attempts.account_version
    FROM late_watches JOIN attempts ON attempts.task_id = late_watches.task_id
    WHERE late_watches.due_at IS NOT NULL";
const DELIVERY: &str = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE task_id = $1");
const DRAINED: &str = "SELECT account FROM drained_accounts ORDER BY account";
const DRAIN: &str = "INSERT INTO drained_accounts (account, drained_at) VALUES ($1, {now})
    ON CONFLICT (account) DO NOTHING";
const RESUME: &str = "DELETE FROM drained_accounts WHERE account = $1";

#[async_trait]
impl Operations for PostgresStore {
    async fn search_tasks(&self, wanted: &TaskSearch) -> Result<TaskPage, StoreError> {
        let session = self.pool.session().await?;
        let last = last_looked_at(&session, wanted).await?;
        let rows = search(&session, wanted, last.as_deref()).await?;
        let next = match rows.last() {
            Some(row) if rows.len() == wanted.limit => Some(row.id().to_owned()),
            _ => last,
        };
        let tasks = with_attempts(&session, rows).await?.into_iter().map(TaskRow::decode);
        Ok(TaskPage { tasks: tasks.collect::<Result<_, _>>()?, next: next.map(TaskId::new) })
    }

    async fn delivery_of(&self, id: &TaskId) -> Result<Option<Delivery>, StoreError> {
        of_task(&self.pool.session().await?, id).await
    }

    async fn account_versions(&self) -> Result<Vec<String>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(VERSIONS, []).await.map_err(failed("reading versions of accounts"))?;
        rows.iter().map(|row| get(row, "account_version")).collect()
    }

    async fn drained_accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(DRAINED, []).await.map_err(failed("reading drained accounts"))?;
        rows.iter().map(|row| get::<String>(row, "account").map(AccountName::new)).collect()
    }

    async fn drain_account(&self, account: &AccountName) -> Result<bool, StoreError> {
        let session = self.pool.session().await?;
        let drained = session.execute(DRAIN, [&account.as_str()]).await;
        Ok(drained.map_err(failed("draining an account"))? == 1)
    }

    async fn resume_account(&self, account: &AccountName) -> Result<bool, StoreError> {
        let session = self.pool.session().await?;
        let resumed = session.execute(RESUME, [&account.as_str()]).await;
        Ok(resumed.map_err(failed("resuming an account"))? == 1)
    }

    async fn live_summary(&self, bounds: SummaryBounds) -> Result<LiveSummary, StoreError> {
        summary::live(&self.pool.session().await?, bounds).await
    }
}

/// The message that tells of the end of that task.
pub(super) async fn of_task(session: &Session, id: &TaskId) -> Result<Option<Delivery>, StoreError> {
    let row = session.first(DELIVERY, [&id.as_str()]).await.map_err(failed("reading a delivery"))?;
    row.as_ref().map(delivery).transpose()
}

async fn last_looked_at(session: &Session, wanted: &TaskSearch) -> Result<Option<String>, StoreError> {
    let skipped = limit(wanted.scan_max.saturating_sub(1));
    let row = session.first(LAST_LOOKED_AT, [&before(wanted), &skipped]).await;
    row.map_err(failed("searching tasks"))?.map(|row| get(&row, "id")).transpose()
}

async fn search(
    session: &Session,
    wanted: &TaskSearch,
    last: Option<&str>,
) -> Result<Vec<TaskRow>, StoreError> {
    let rows = session
        .query(
            SEARCH,
            [
                &before(wanted),
                &last.unwrap_or_default(),
                &wanted.state,
                &wanted.scope.map(Scope::as_str),
                &wanted.model,
                &wanted.account.as_ref().map(AccountName::as_str),
                &wanted.owner.as_ref().map(OwnerId::as_str),
                &wanted.from.map_or(i64::MIN, Timestamp::as_millis),
                &wanted.to.map_or(i64::MAX, Timestamp::as_millis),
                &limit(wanted.limit),
            ],
        )
        .await;
    rows.map_err(failed("searching tasks"))?.iter().map(task).collect()
}

fn before(wanted: &TaskSearch) -> &str {
    wanted.after.as_ref().map_or(AFTER_ALL, TaskId::as_str)
}
