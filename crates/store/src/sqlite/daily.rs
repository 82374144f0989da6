//! What is used of limits in one day. Checked and counted within one transaction of the only writer, so it is exact.

use domain::{Money, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failed;
use super::rows::ChangeRow;
use crate::daily::{AT_ACCEPT, day};
use crate::{DailyKey, DailyLimit, DailyUse, DailyVerdict, OverDaily, StoreError};

const USED: &str =
    "SELECT tasks, spend FROM daily_usage WHERE day = ?1 AND kind = ?2 AND name = ?3 AND model = ?4";
const COUNT: &str =
    "INSERT INTO daily_usage (day, kind, name, model, tasks, spend) VALUES (?1, ?2, ?3, ?4, 1, ?5)
     ON CONFLICT (day, kind, name, model) DO UPDATE SET tasks = tasks + 1, spend = spend + excluded.spend";
const NOTE: &str = "INSERT INTO daily_uses (day, kind, name, model, spend, task_id, attempt)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const CHANGE_SPEND: &str = "UPDATE daily_usage SET spend = daily_usage.spend + ?3 FROM daily_uses AS counted
     WHERE counted.task_id = ?1 AND counted.attempt = ?2 AND daily_usage.day = counted.day
       AND daily_usage.kind = counted.kind AND daily_usage.name = counted.name AND daily_usage.model = counted.model";
const GIVE_BACK: &str = "UPDATE daily_usage SET tasks = tasks - 1, spend = daily_usage.spend - counted.spend
     FROM daily_uses AS counted
     WHERE counted.task_id = ?1 AND counted.attempt = ?2 AND daily_usage.day = counted.day
       AND daily_usage.kind = counted.kind AND daily_usage.name = counted.name AND daily_usage.model = counted.model";
const FORGET: &str = "DELETE FROM daily_uses WHERE task_id = ?1 AND attempt = ?2";
const ATTEMPTS_COUNTED: &str = "SELECT DISTINCT attempt FROM daily_uses WHERE task_id = ?1 AND attempt > ?2";
const IS_HELD: &str = "SELECT 1 FROM tasks WHERE id = ?1 AND lease_epoch = ?2 AND lease_holder IS NOT NULL";
const PURGE: [&str; 2] = [
    "DELETE FROM daily_uses WHERE (task_id, attempt, kind, name, model) IN
         (SELECT task_id, attempt, kind, name, model FROM daily_uses WHERE day < ?1 ORDER BY day LIMIT ?2)",
    "DELETE FROM daily_usage WHERE (day, kind, name, model) IN
         (SELECT day, kind, name, model FROM daily_usage WHERE day < ?1 ORDER BY day LIMIT ?2)",
];

/// What is used today of the limit with that key.
pub(super) fn used(connection: &Connection, key: &DailyKey, now: Timestamp) -> Result<DailyUse, StoreError> {
    let (kind, name, model) = key.columns();
    let read = || {
        let mut statement = connection.prepare_cached(USED)?;
        let used =
            |row: &Row<'_>| Ok(DailyUse { tasks: row.get(0)?, spend: Money::from_billionths(row.get(1)?) });
        statement.query_row(params![day(now), kind, name, model], used).optional()
    };
    read().map_err(failed("reading what is used today")).map(Option::unwrap_or_default)
}

/// The first of `limits` that has no room today for one task more, of that price.
pub(super) fn over(
    connection: &Connection,
    limits: &[DailyLimit],
    price: Money,
    now: Timestamp,
) -> Result<Option<OverDaily>, StoreError> {
    for limit in limits {
        if let Some(over) = limit.over(used(connection, &limit.key, now)?, price, now) {
            return Ok(Some(over));
        }
    }
    Ok(None)
}

/// Counts a new task in all of `limits`, with what is set aside for it.
pub(super) fn count_task(
    connection: &Connection,
    task: &str,
    limits: &[DailyLimit],
    reserved: Money,
    now: Timestamp,
) -> Result<(), StoreError> {
    count(connection, (task, AT_ACCEPT), limits, reserved, now).map_err(failed("counting a task of the day"))
}

/// Adds to what a task has spent on the day on which it was counted, if it was and that is not long ago.
pub(super) fn change_spend(connection: &Connection, task: &str, billionths: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(CHANGE_SPEND)?.execute(params![task, AT_ACCEPT, billionths]).map(|_| ())
}

/// Counts an attempt of a claimed task in all of `limits`, in place of what was counted for it before; or in none.
pub(super) fn count_attempt(
    connection: &Connection,
    (task, epoch, attempt): (&str, u64, u32),
    limits: &[DailyLimit],
    price: Money,
    now: Timestamp,
) -> Result<DailyVerdict, StoreError> {
    let is_held = || connection.prepare_cached(IS_HELD)?.exists(params![task, epoch]);
    if !is_held().map_err(failed("reading a claim"))? {
        return Err(StoreError::Stale);
    }
    give_back(connection, task, attempt).map_err(failed("giving back an attempt of the day"))?;
    if let Some(over) = over(connection, limits, price, now)? {
        return Ok(DailyVerdict::Over(over));
    }
    count(connection, (task, attempt), limits, price, now)
        .map_err(failed("counting an attempt of the day"))?;
    Ok(DailyVerdict::Counted)
}

/// Gives back what was counted for attempts that nobody has to pay for; at the end of the task also for one that was
/// never made.
pub(super) fn give_back_unpaid(
    connection: &Connection,
    task: &str,
    change: &ChangeRow,
) -> Result<(), StoreError> {
    let has_ended = change.ended_at.is_some();
    if !has_ended && change.unpaid.is_empty() {
        return Ok(());
    }
    let was_made = |number| change.attempts.iter().any(|attempt| attempt.number == number);
    let give_back = || {
        let mut statement = connection.prepare_cached(ATTEMPTS_COUNTED)?;
        let counted = statement.query_map(params![task, AT_ACCEPT], |row| row.get(0))?;
        let counted: Vec<u32> = counted.collect::<rusqlite::Result<_>>()?;
        counted
            .into_iter()
            .filter(|number| change.unpaid.contains(number) || has_ended && !was_made(*number))
            .try_for_each(|number| give_back(connection, task, number))
    };
    give_back().map_err(failed("giving back attempts of the day"))
}

/// Deletes up to `max` rows of days before yesterday; how many. Yesterday stays for a clock that is set back a little.
pub(super) fn purge(connection: &Connection, max: usize, now: Timestamp) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for sql in PURGE {
        let left = i64::try_from(max - deleted).unwrap_or(i64::MAX);
        let delete = || connection.prepare_cached(sql)?.execute([day(now) - 1, left]);
        deleted += delete().map_err(failed("deleting what was used on days that are over"))?;
    }
    Ok(deleted)
}

fn count(
    connection: &Connection,
    (task, attempt): (&str, u32),
    limits: &[DailyLimit],
    price: Money,
    now: Timestamp,
) -> rusqlite::Result<()> {
    for DailyLimit { key, .. } in limits {
        let (kind, name, model) = key.columns();
        let (day, price) = (day(now), price.billionths());
        connection.prepare_cached(COUNT)?.execute(params![day, kind, name, model, price])?;
        connection.prepare_cached(NOTE)?.execute(params![day, kind, name, model, price, task, attempt])?;
    }
    Ok(())
}

fn give_back(connection: &Connection, task: &str, attempt: u32) -> rusqlite::Result<()> {
    for sql in [GIVE_BACK, FORGET] {
        connection.prepare_cached(sql)?.execute(params![task, attempt])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn what_others_have_used_costs_nothing() {
        let statements = [
            USED,
            COUNT,
            NOTE,
            CHANGE_SPEND,
            GIVE_BACK,
            FORGET,
            ATTEMPTS_COUNTED,
            IS_HELD,
            PURGE[0],
            PURGE[1],
        ];
        for sql in statements {
            let plan = query_plan::of(sql).join("\n");
            let steps = |word: &str| plan.lines().filter(|line| line.contains(word)).count();
            assert_eq!((steps("SCAN"), steps("TEMP B-TREE")), (0, 0), "{sql}\n{plan}");
        }
    }
}
