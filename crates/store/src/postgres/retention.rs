//! Deleting what is past its time. The ledger stays for ever.
//!
//! Whatever is found is then looked up by its key, page by page, so that no plan depends on how much is thought to be there.
//! Several sweepers pass over what another one holds.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Output, OutputMedia, TaskState, Timestamp};
use tokio_postgres::Row;

use super::PostgresStore;
use super::durations::millis;
use super::failure::failed;
use super::retry::Tries;
use super::rows::{get, limit};
use super::session::Session;
use crate::rows::decode_json;
use crate::{Retention, StoreError, daily};

/// Tasks that are looked at together.
const PAGE: usize = 500;

const ENDED: &str = "SELECT id, ended_at, state_data FROM tasks
    WHERE ended_at IS NOT NULL AND ended_at >= $1 AND (ended_at, id) > ($1, $2) AND ended_at <= {now} - $3
    ORDER BY ended_at, id LIMIT $4";
const LATE_OUTPUTS: &str =
    "SELECT task_id, outputs FROM late_watches WHERE task_id = ANY($1) AND outputs IS NOT NULL";
/// What still needs a task: a key of idempotency that leads to it, a message to be sent, an upstream that is watched.
const NEEDED: &str = "SELECT task_id FROM idempotency_keys WHERE task_id = ANY($1) AND expires_at > {now}
    UNION ALL SELECT task_id FROM deliveries WHERE task_id = ANY($1) AND due_at IS NOT NULL
    UNION ALL SELECT task_id FROM late_watches WHERE task_id = ANY($1) AND due_at IS NOT NULL";
const READABLE: &str = "SELECT id FROM assets WHERE id = ANY($1) AND expires_at > {now}";
const LOCK: &str = "SELECT id FROM tasks WHERE id = ANY($1) AND ended_at IS NOT NULL FOR UPDATE SKIP LOCKED";
/// A dead message may be replayed until this has it.
const LOCK_MESSAGES: &str = "SELECT task_id FROM deliveries WHERE task_id = ANY($1) ORDER BY id FOR UPDATE";
/// Results without an end of their own go with their task.
const EXPIRE_RESULTS: &str = "UPDATE assets SET expires_at = {now} WHERE id = ANY($1) AND expires_at IS NULL";
/// What belongs to a task, then the task.
const DELETE: [&str; 6] = [
    "DELETE FROM idempotency_keys WHERE task_id = ANY($1)",
    "DELETE FROM deliveries WHERE task_id = ANY($1)",
    "DELETE FROM late_watches WHERE task_id = ANY($1)",
    "DELETE FROM inbox WHERE task_id = ANY($1)",
    "DELETE FROM attempts WHERE task_id = ANY($1)",
    "DELETE FROM tasks WHERE id = ANY($1)",
];
const EXPIRED_KEYS: &str = "SELECT owner, key FROM idempotency_keys WHERE expires_at <= {now}
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED";
const DELETE_KEYS: &str =
    "DELETE FROM idempotency_keys USING unnest($1::TEXT[], $2::TEXT[]) AS old (owner, key)
    WHERE idempotency_keys.owner = old.owner AND idempotency_keys.key = old.key";
const TODAY: &str = "SELECT {now} AS now";
const OLD_USES: &str = "SELECT task_id, attempt, kind, name, model FROM daily_uses
    WHERE day < $1 ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED";
const DELETE_USES: &str = "DELETE FROM daily_uses
    USING unnest($1::TEXT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[]) AS old (task_id, attempt, kind, name, model)
    WHERE daily_uses.task_id = old.task_id AND daily_uses.attempt = old.attempt AND daily_uses.kind = old.kind
      AND daily_uses.name = old.name AND daily_uses.model = old.model";
const OLD_USAGE: &str = "SELECT day, kind, name, model FROM daily_usage
    WHERE day < $1 ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED";
const DELETE_USAGE: &str = "DELETE FROM daily_usage
    USING unnest($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::TEXT[]) AS old (day, kind, name, model)
    WHERE daily_usage.day = old.day AND daily_usage.kind = old.kind AND daily_usage.name = old.name
      AND daily_usage.model = old.model";

#[async_trait]
impl Retention for PostgresStore {
    async fn purge_tasks(&self, age: Duration, max: usize) -> Result<usize, StoreError> {
        let (mut after, mut purged) = ((i64::MIN, String::new()), 0);
        while purged < max {
            let session = self.pool.session().await?;
            let page = ended(&session, &after, age).await?;
            let Some(last) = page.last() else { break };
            after = (last.ended_at, last.id.clone());
            let mut unneeded = unneeded(&session, page).await?;
            unneeded.truncate(max - purged);
            drop(session);
            if !unneeded.is_empty() {
                purged += self.purge(&unneeded).await?;
            }
        }
        Ok(purged)
    }

    async fn purge_keys(&self, max: usize) -> Result<usize, StoreError> {
        let session = self.pool.session().await?;
        let result = purge_keys(&session, max).await;
        session.end(result).await
    }

    async fn purge_daily(&self, max: usize) -> Result<usize, StoreError> {
        let session = self.pool.session().await?;
        let result = purge_daily(&session, max).await;
        session.end(result).await
    }
}

impl PostgresStore {
    async fn purge(&self, tasks: &[Ended]) -> Result<usize, StoreError> {
        let mut tries = Tries::default();
        loop {
            let session = self.pool.session().await?;
            let result = purge(&session, tasks).await;
            match session.end(result).await {
                Err(error) if tries.again_after(&error).await => {}
                result => return result,
            }
        }
    }
}

/// A task that has ended.
struct Ended {
    id: String,
    ended_at: i64,
    /// Its results that we keep, also late ones; absent if they cannot be read, as when a newer program has stored them.
    assets: Option<Vec<String>>,
}

impl Ended {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let id: String = get(row, "id")?;
        let assets = match decode_json(&id, "state", get(row, "state_data")?) {
            Ok(TaskState::Succeeded { outputs, .. }) => Some(assets(&outputs)),
            Ok(_) => Some(Vec::new()),
            Err(_) => None,
        };
        Ok(Self { id, ended_at: get(row, "ended_at")?, assets })
    }
}

fn assets(outputs: &[Output]) -> Vec<String> {
    let asset = |output: &Output| match &output.media {
        OutputMedia::Stored { asset, .. } => Some(asset.as_str().to_owned()),
        OutputMedia::Remote { .. } => None,
    };
    outputs.iter().filter_map(asset).collect()
}

/// The next tasks that ended at least `age` ago, with what they have left.
async fn ended(
    session: &Session,
    (ended_at, id): &(i64, String),
    age: Duration,
) -> Result<Vec<Ended>, StoreError> {
    let rows = session.query(ENDED, [ended_at, id, &millis(age), &limit(PAGE)]).await;
    let rows = rows.map_err(failed("reading ended tasks"))?;
    let mut page = rows.iter().map(Ended::read).collect::<Result<Vec<_>, _>>()?;
    let late = session.query(LATE_OUTPUTS, [&ids(&page)]).await.map_err(failed("reading what came late"))?;
    for row in &late {
        let id: &str = get(row, "task_id")?;
        let outputs: Result<Vec<Output>, _> = decode_json(id, "late results", get(row, "outputs")?);
        if let Some(task) = page.iter_mut().find(|task| task.id == id) {
            task.assets = task.assets.take().zip(outputs.ok()).map(|(mut all, late)| {
                all.extend(assets(&late));
                all
            });
        }
    }
    Ok(page)
}

/// Those that nothing needs any more.
async fn unneeded(session: &Session, mut page: Vec<Ended>) -> Result<Vec<Ended>, StoreError> {
    page.retain(|task| task.assets.is_some());
    let results: Vec<&String> = page.iter().flat_map(|task| &task.assets).flatten().collect();
    let readable = session.query(READABLE, [&results]).await.map_err(failed("reading results"))?;
    let readable = column(&readable, "id")?;
    let needed = needed(session, &page).await?;
    page.retain(|task| !needed.contains(&task.id));
    page.retain(|task| !task.assets.iter().flatten().any(|asset| readable.contains(asset)));
    Ok(page)
}

async fn needed(session: &Session, tasks: &[Ended]) -> Result<HashSet<String>, StoreError> {
    let rows = session.query(NEEDED, [&ids(tasks)]).await.map_err(failed("reading what needs tasks"))?;
    column(&rows, "task_id")
}

/// Deletes those of the tasks that nobody else holds and nothing needs; how many.
async fn purge(session: &Session, tasks: &[Ended]) -> Result<usize, StoreError> {
    let failed = || failed("deleting old tasks");
    session.begin().await.map_err(failed())?;
    let locked = session.query(LOCK, [&ids(tasks)]).await.map_err(failed())?;
    session.query(LOCK_MESSAGES, [&ids(tasks)]).await.map_err(failed())?;
    let (mut gone, needed) = (column(&locked, "id")?, needed(session, tasks).await?);
    gone.retain(|id| !needed.contains(id));
    let results = tasks.iter().filter(|task| gone.contains(&task.id)).flat_map(|task| &task.assets).flatten();
    let results: Vec<&String> = results.collect();
    session.execute(EXPIRE_RESULTS, [&results]).await.map_err(failed())?;
    let gone: Vec<&String> = gone.iter().collect();
    for sql in DELETE {
        session.execute(sql, [&gone]).await.map_err(failed())?;
    }
    Ok(gone.len())
}

async fn purge_keys(session: &Session, max: usize) -> Result<usize, StoreError> {
    let failed = || failed("deleting expired keys of idempotency");
    session.begin().await.map_err(failed())?;
    let old = session.query(EXPIRED_KEYS, [&limit(max)]).await.map_err(failed())?;
    let (owners, keys) = (texts(&old, "owner")?, texts(&old, "key")?);
    session.execute(DELETE_KEYS, [&owners, &keys]).await.map_err(failed())?;
    Ok(old.len())
}

/// Yesterday stays for a clock that is set back a little.
async fn purge_daily(session: &Session, max: usize) -> Result<usize, StoreError> {
    let failed = || failed("deleting what was used on days that are over");
    session.begin().await.map_err(failed())?;
    let now = session.one(TODAY, []).await.map_err(failed())?;
    let before = daily::day(Timestamp::from_millis(get(&now, "now")?)) - 1;
    let uses = session.query(OLD_USES, [&before, &limit(max)]).await.map_err(failed())?;
    let (tasks, attempts) = (texts(&uses, "task_id")?, numbers(&uses, "attempt")?);
    let (kinds, names, models) = (texts(&uses, "kind")?, texts(&uses, "name")?, texts(&uses, "model")?);
    session.execute(DELETE_USES, [&tasks, &attempts, &kinds, &names, &models]).await.map_err(failed())?;
    let usage = session.query(OLD_USAGE, [&before, &limit(max - uses.len())]).await.map_err(failed())?;
    let (days, kinds) = (numbers(&usage, "day")?, texts(&usage, "kind")?);
    let (names, models) = (texts(&usage, "name")?, texts(&usage, "model")?);
    session.execute(DELETE_USAGE, [&days, &kinds, &names, &models]).await.map_err(failed())?;
    Ok(uses.len() + usage.len())
}

fn ids(tasks: &[Ended]) -> Vec<&str> {
    tasks.iter().map(|task| task.id.as_str()).collect()
}

fn column(rows: &[Row], column: &str) -> Result<HashSet<String>, StoreError> {
    rows.iter().map(|row| get(row, column)).collect()
}

fn texts<'a>(rows: &'a [Row], column: &str) -> Result<Vec<&'a str>, StoreError> {
    rows.iter().map(|row| get(row, column)).collect()
}

fn numbers(rows: &[Row], column: &str) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| get(row, column)).collect()
}
