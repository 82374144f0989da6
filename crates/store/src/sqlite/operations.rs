//! What operators ask and decide.

use async_trait::async_trait;
use domain::{AccountName, Task, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::TaskRow;
use super::{SqliteStore, deliveries, failed, summary};
use crate::{Delivery, LiveSummary, Operations, StoreError, SummaryBounds, TaskPage, TaskSearch};

/// By the primary key, so that nothing is sorted and what is looked at is bounded by `?9`.
const SEARCH: &str = "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version
     FROM tasks
     WHERE (?8 IS NULL OR id < ?8) AND (?9 IS NULL OR id >= ?9)
       AND (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR scope = ?2) AND (?3 IS NULL OR model = ?3)
       AND (?4 IS NULL OR EXISTS (SELECT 1 FROM attempts WHERE task_id = tasks.id AND account = ?4))
       AND (?5 IS NULL OR owner = ?5) AND (?6 IS NULL OR created_at >= ?6) AND (?7 IS NULL OR created_at < ?7)
     ORDER BY id DESC LIMIT ?10";
/// The last that a search may look at.
const LAST_LOOKED_AT: &str =
    "SELECT id FROM tasks WHERE (?1 IS NULL OR id < ?1) ORDER BY id DESC LIMIT 1 OFFSET ?2";

/// Attempts of ended tasks count as long as their upstreams are watched. The joins are crossed so that they begin with
/// the few, whatever SQLite guesses.
const VERSIONS: &str = "SELECT attempts.account_version
     FROM tasks CROSS JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live = 1
     WHERE tasks.due_at IS NOT NULL
     UNION SELECT attempts.account_version
     FROM late_watches CROSS JOIN attempts ON attempts.task_id = late_watches.task_id
     WHERE late_watches.due_at IS NOT NULL";

#[async_trait]
impl Operations for SqliteStore {
    async fn search_tasks(&self, wanted: &TaskSearch) -> Result<TaskPage, StoreError> {
        let wanted = wanted.clone();
        let (rows, next) = self.scan(move |c| search(c, &wanted)).await?;
        let tasks = rows.into_iter().map(TaskRow::decode).collect::<Result<Vec<Task>, _>>()?;
        Ok(TaskPage { tasks, next })
    }

    async fn delivery_of(&self, id: &TaskId) -> Result<Option<Delivery>, StoreError> {
        self.read(|c| deliveries::of_task(c, id))
    }

    async fn account_versions(&self) -> Result<Vec<String>, StoreError> {
        self.scan(versions).await
    }

    async fn drained_accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        self.read(drained)
    }

    async fn drain_account(&self, account: &AccountName) -> Result<bool, StoreError> {
        let (account, clock) = (account.clone(), self.clock.clone());
        self.writer.write(move |c| drain(c, &account, clock.now())).await
    }

    async fn resume_account(&self, account: &AccountName) -> Result<bool, StoreError> {
        let account = account.clone();
        self.writer.write(move |c| resume(c, &account)).await
    }

    async fn live_summary(&self, bounds: SummaryBounds) -> Result<LiveSummary, StoreError> {
        let clock = self.clock.clone();
        self.scan(move |c| summary::live(c, bounds, clock.now())).await
    }
}

fn search(
    connection: &Connection,
    wanted: &TaskSearch,
) -> Result<(Vec<TaskRow>, Option<TaskId>), StoreError> {
    let after = wanted.after.as_ref().map(TaskId::as_str);
    let last: Option<String> = connection
        .prepare_cached(LAST_LOOKED_AT)
        .and_then(|mut statement| {
            let skipped = wanted.scan_max.saturating_sub(1);
            statement.query_row(params![after, skipped], |row| row.get(0)).optional()
        })
        .map_err(failed("searching tasks"))?;
    let read = || {
        let mut statement = connection.prepare_cached(SEARCH)?;
        let values = params![
            wanted.state,
            wanted.scope.map(domain::Scope::as_str),
            wanted.model,
            wanted.account.as_ref().map(AccountName::as_str),
            wanted.owner.as_ref().map(domain::OwnerId::as_str),
            wanted.from.map(Timestamp::as_millis),
            wanted.to.map(Timestamp::as_millis),
            after,
            last,
            wanted.limit,
        ];
        statement.query_map(values, TaskRow::read)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(failed("searching tasks"))?;
    let rows = rows.into_iter().map(|row| row.with_attempts(connection)).collect::<Result<Vec<_>, _>>()?;
    let next = match rows.last() {
        Some(row) if rows.len() == wanted.limit => Some(row.id().to_owned()),
        _ => last,
    };
    Ok((rows, next.map(TaskId::new)))
}

fn drained(connection: &Connection) -> Result<Vec<AccountName>, StoreError> {
    let sql = "SELECT account FROM drained_accounts ORDER BY account";
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let accounts = statement.query_map([], |row| row.get::<_, String>(0).map(AccountName::new))?;
        accounts.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("reading drained accounts"))
}

fn drain(connection: &Connection, account: &AccountName, now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "INSERT INTO drained_accounts (account, drained_at) VALUES (?1, ?2) ON CONFLICT (account) DO NOTHING";
    let insert = || connection.prepare_cached(sql)?.execute(params![account.as_str(), now.as_millis()]);
    Ok(insert().map_err(failed("draining an account"))? == 1)
}

fn resume(connection: &Connection, account: &AccountName) -> Result<bool, StoreError> {
    let sql = "DELETE FROM drained_accounts WHERE account = ?1";
    let delete = || connection.prepare_cached(sql)?.execute([account.as_str()]);
    Ok(delete().map_err(failed("resuming an account"))? == 1)
}

/// The versions of accounts that tasks still need, each once.
fn versions(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(VERSIONS)?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("reading versions of accounts"))
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn versions_are_found_without_reading_what_has_ended() {
        let plan = query_plan::of(VERSIONS);
        let reads: Vec<_> =
            plan.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).collect();
        let is_bounded = |step: &&&String| {
            ["INDEX tasks_live", "INDEX attempts_live", "INDEX late_watches_due"]
                .iter()
                .any(|i| step.contains(i))
                || step.starts_with("SEARCH attempts USING PRIMARY KEY")
        };
        assert!(reads.len() == 4 && reads.iter().all(|step| is_bounded(&step)), "{plan:?}");
    }
}
