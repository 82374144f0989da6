//! What is live, in numbers.

use std::time::Duration;

use domain::{AccountName, Timestamp};
use rusqlite::{Connection, Row, params};

use super::failed;
use crate::{LiveCount, LiveSummary, StoreError, SummaryBounds};

const TASKS: &str = "SELECT tasks.state, tasks.scope, tasks.model, attempts.account, COUNT(*)
     FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live = 1
     WHERE tasks.due_at IS NOT NULL GROUP BY 1, 2, 3, 4";
/// The due time of a claimed task is the end of its lease.
const DUE: &str = "SELECT COUNT(*), MIN(due_at) FROM tasks WHERE due_at IS NOT NULL AND due_at <= ?1";
/// The index has no order by state, but the state itself.
const UNCOPIED: &str = "SELECT COUNT(*) FROM tasks
     WHERE due_at IS NOT NULL AND state = 'collecting'
       AND json_extract(state_data, '$.since') <= ?1";
const CRASHING: &str =
    "SELECT COUNT(*) FROM tasks WHERE crashes > 0 AND crashes >= ?1 AND due_at IS NOT NULL";
const MESSAGES_WAITING: &str = "SELECT COUNT(*) FROM deliveries WHERE due_at IS NOT NULL";
const MESSAGES_DEAD: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'dead'";

/// All of it, from one view of the database.
pub(super) fn live(
    connection: &Connection,
    bounds: SummaryBounds,
    now: Timestamp,
) -> Result<LiveSummary, StoreError> {
    let read = || {
        let mut tasks = connection.prepare_cached(TASKS)?;
        let tasks = tasks.query_map([], live_count)?.collect::<rusqlite::Result<_>>()?;
        let due = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?));
        let (due, since) = connection.prepare_cached(DUE)?.query_row([now.as_millis()], due)?;
        let count = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<u64> {
            connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))
        };
        Ok(LiveSummary {
            tasks,
            due,
            due_for: since.map_or(Duration::ZERO, |since| now.since(Timestamp::from_millis(since))),
            uncopied: count(UNCOPIED, params![bounds.uncopied_since.as_millis()])?,
            crashing: count(CRASHING, params![bounds.crashes_min])?,
            messages_waiting: count(MESSAGES_WAITING, params![])?,
            messages_dead: count(MESSAGES_DEAD, params![])?,
        })
    };
    read().map_err(failed("counting what is live"))
}

fn live_count(row: &Row<'_>) -> rusqlite::Result<LiveCount> {
    Ok(LiveCount {
        state: row.get(0)?,
        scope: row.get(1)?,
        model: row.get(2)?,
        account: row.get::<_, Option<String>>(3)?.map(AccountName::new),
        count: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn what_is_live_is_counted_without_reading_what_has_ended() {
        for sql in [TASKS, DUE, UNCOPIED, CRASHING, MESSAGES_WAITING, MESSAGES_DEAD] {
            let plan = query_plan::of(sql);
            let is_indexed = |step: &String| {
                let indexes =
                    ["tasks_live", "attempts_live", "tasks_crashing", "deliveries_due", "deliveries_dead"];
                indexes.iter().any(|index| step.contains(index))
            };
            let reads = plan.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH"));
            assert!(reads.clone().count() > 0 && reads.clone().all(is_indexed), "{plan:?}");
        }
    }
}
