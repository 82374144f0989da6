//! What is live, in numbers.

use domain::{AccountName, TaskState, Timestamp};
use tokio_postgres::Row;

use super::durations::wait;
use super::failure::failed;
use super::rows::{get, unsigned};
use super::session::Session;
use crate::rows::decode_json;
use crate::{LiveCount, LiveSummary, StoreError, SummaryBounds};

const TASKS: &str = "SELECT tasks.state, tasks.scope, tasks.model, attempts.account, COUNT(*) AS count
    FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live
    WHERE tasks.due_at IS NOT NULL GROUP BY 1, 2, 3, 4";
/// The due time of a claimed task is the end of its lease.
const DUE: &str =
    "SELECT COUNT(*) AS count, COALESCE(GREATEST({now} - MIN(due_at), 0), 0) AS millis FROM tasks
    WHERE due_at IS NOT NULL AND due_at <= {now}";
const COLLECTING: &str = "SELECT id, state_data FROM tasks WHERE due_at IS NOT NULL AND state = 'collecting'";
const CRASHING: &str =
    "SELECT COUNT(*) AS count FROM tasks WHERE crashes > 0 AND crashes >= $1 AND due_at IS NOT NULL";
const MESSAGES_WAITING: &str = "SELECT COUNT(*) AS count FROM deliveries WHERE due_at IS NOT NULL";
const MESSAGES_DEAD: &str = "SELECT COUNT(*) AS count FROM deliveries WHERE state = 'dead'";

/// All of it. Each number is of its own moment: they are looked at, nothing is decided by them.
pub(super) async fn live(session: &Session, bounds: SummaryBounds) -> Result<LiveSummary, StoreError> {
    let failed = || failed("counting what is live");
    let tasks = session.query(TASKS, []).await.map_err(failed())?;
    let due = session.one(DUE, []).await.map_err(failed())?;
    let collecting = session.query(COLLECTING, []).await.map_err(failed())?;
    let crashing = session.one(CRASHING, [&i64::from(bounds.crashes_min)]).await.map_err(failed())?;
    let waiting = session.one(MESSAGES_WAITING, []).await.map_err(failed())?;
    let dead = session.one(MESSAGES_DEAD, []).await.map_err(failed())?;
    let uncopied = collecting.iter().map(since).collect::<Result<Vec<_>, _>>()?;
    let uncopied = uncopied.iter().flatten().filter(|since| **since <= bounds.uncopied_since);
    Ok(LiveSummary {
        tasks: tasks.iter().map(live_count).collect::<Result<_, _>>()?,
        due: unsigned(&due, "count")?,
        due_for: wait(&due)?,
        uncopied: uncopied.count() as u64,
        crashing: unsigned(&crashing, "count")?,
        messages_waiting: unsigned(&waiting, "count")?,
        messages_dead: unsigned(&dead, "count")?,
    })
}

/// Since when its results have been there; absent if that cannot be read, as when a newer program has stored it.
fn since(row: &Row) -> Result<Option<Timestamp>, StoreError> {
    match decode_json(get(row, "id")?, "state", get(row, "state_data")?) {
        Ok(TaskState::Collecting { since, .. }) => Ok(Some(since)),
        _ => Ok(None),
    }
}

fn live_count(row: &Row) -> Result<LiveCount, StoreError> {
    Ok(LiveCount {
        state: get(row, "state")?,
        scope: get(row, "scope")?,
        model: get(row, "model")?,
        account: get::<Option<String>>(row, "account")?.map(AccountName::new),
        count: unsigned(row, "count")?,
    })
}
