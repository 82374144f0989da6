//! Taking due tasks and giving them back. A task's `due_at` is the moment from which it may be claimed: when it is next
//! due, or while it is claimed the end of its lease. So a lease that has run out needs no code of its own.

use std::collections::HashMap;
use std::time::Duration;

use domain::{OwnerId, TaskId, Timestamp};
use tokio::try_join;
use tokio_postgres::Row;

use super::durations::millis;
use super::failure::failed;
use super::pool::Pool;
use super::retry::Tries;
use super::rows::{get, limit, signed, task, task_columns, unsigned, with_attempts};
use super::session::Session;
use crate::rows::TaskRow;
use crate::unreadable::{ClaimedRow, Unreadable};
use crate::{Claim, CrashingTask, StoreError};

/// What others are just claiming is left to them, and so is what cannot be read: `$2` has its versions and ids.
pub(super) const DUE: &str = "SELECT id FROM tasks
    WHERE due_at IS NOT NULL AND due_at <= {now} AND version::TEXT || ' ' || id <> ALL($2)
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED";
pub(super) const TAKE: &str = concat!(
    "UPDATE tasks SET crashes = crashes + CASE WHEN lease_holder IS NULL THEN 0 ELSE 1 END, lease_holder = $2,
            lease_epoch = lease_epoch + 1, due_at = {now} + $3
     WHERE id = ANY($1)
     RETURNING lease_epoch, cancel_requested_at IS NOT NULL AS cancel_requested, crashes, ",
    task_columns!()
);
pub(super) const NEXT_DUE: &str = "SELECT GREATEST(due_at - {now}, 0) AS millis FROM tasks
    WHERE due_at IS NOT NULL AND version::TEXT || ' ' || id <> ALL($1) ORDER BY due_at LIMIT 1";
/// Of those that crash, the worst first.
pub(super) const CRASHING: &str = "SELECT id, owner, model, state, crashes, deadline_at FROM tasks
    WHERE crashes > 0 AND crashes >= $1 AND due_at IS NOT NULL ORDER BY crashes DESC LIMIT $2";
const GIVE_BACK: &str = "UPDATE tasks
    SET lease_holder = NULL, due_at = {now} + $3, crashes = crashes * $4::BIGINT + $5::BIGINT
    FROM unnest($1::text[], $2::bigint[]) AS claim (id, epoch)
    WHERE tasks.id = claim.id AND lease_epoch = claim.epoch AND lease_holder IS NOT NULL";
pub(super) const PARDON: &str = "UPDATE tasks
    SET crashes = 0, due_at = CASE WHEN lease_holder IS NULL THEN LEAST(due_at, {now}) ELSE due_at END
    WHERE id = $1 AND due_at IS NOT NULL AND crashes > 0";

/// Claims up to `max` tasks that are due, oldest due first, until `lease` has passed.
pub(super) async fn claim_due(
    pool: &Pool,
    unreadable: &Unreadable,
    (holder, lease): (&str, Duration),
    max: usize,
) -> Result<Vec<Claim>, StoreError> {
    let mut tries = Tries::default();
    loop {
        let session = pool.session().await?;
        let claimed = take(&session, unreadable, (holder, lease), max).await;
        match session.end(claimed).await {
            Err(error) if tries.again_after(&error).await => {}
            claimed => return claimed,
        }
    }
}

async fn take(
    session: &Session,
    unreadable: &Unreadable,
    (holder, lease): (&str, Duration),
    max: usize,
) -> Result<Vec<Claim>, StoreError> {
    let (max, left_out) = (limit(max), unreadable.marks());
    let begin = async {
        let [due] = session.prepare([DUE]).await?;
        try_join!(biased; session.begin(), session.rows(&due, [&max, &left_out]))
    };
    let ((), due) = begin.await.map_err(failed("reading due tasks"))?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let ids = due.iter().map(|row| get(row, "id")).collect::<Result<Vec<String>, _>>()?;
    let rows = session.query(TAKE, [&ids, &holder, &millis(lease)]).await;
    let claimed = claimed(session, &rows.map_err(failed("claiming tasks"))?).await?;
    let place: HashMap<&str, usize> = ids.iter().enumerate().map(|(n, id)| (id.as_str(), n)).collect();
    let mut decoded = unreadable.decode(claimed);
    decoded.claims.sort_by_key(|claim| place.get(claim.task.id.as_str()).copied());
    // Within this transaction, so that nobody sees that they were taken.
    for (left_alone, delay) in [(decoded.unreadable, Duration::ZERO), (decoded.too_many, lease)] {
        if !left_alone.is_empty() {
            give_back(session, &left_alone, delay, Reckoning::Same).await?;
        }
    }
    Ok(decoded.claims)
}

/// The rows that [`TAKE`] returns, with their attempts.
async fn claimed(session: &Session, rows: &[Row]) -> Result<Vec<ClaimedRow>, StoreError> {
    let tasks = rows.iter().map(task).collect::<Result<Vec<_>, _>>()?;
    let tasks = with_attempts(session, tasks).await?;
    let claimed = |(row, task): (&Row, TaskRow)| {
        Ok(ClaimedRow {
            task,
            epoch: unsigned(row, "lease_epoch")?,
            cancel_requested: get(row, "cancel_requested")?,
            crashes: unsigned(row, "crashes")?,
        })
    };
    rows.iter().zip(tasks).map(claimed).collect()
}

/// What the end of a claim says of the crashes before it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reckoning {
    /// Nothing was amiss: the row of crashes is over.
    Over,
    /// No step was taken.
    Same,
    /// The step crashed, too.
    OneMore,
}

/// Ends those of `claims` that are still held; their tasks are due after `delay`. Done again, it changes nothing.
pub(super) async fn give_back(
    session: &Session,
    claims: &[(TaskId, u64)],
    delay: Duration,
    reckoning: Reckoning,
) -> Result<(), StoreError> {
    let (times, plus) = match reckoning {
        Reckoning::Over => (0_i64, 0_i64),
        Reckoning::Same => (1, 0),
        Reckoning::OneMore => (1, 1),
    };
    let (ids, epochs): (Vec<&str>, Vec<i64>) =
        claims.iter().map(|(id, epoch)| (id.as_str(), signed(*epoch))).unzip();
    let delay = millis(delay);
    let released = session.execute(GIVE_BACK, [&ids, &epochs, &delay, &times, &plus]).await;
    released.map(drop).map_err(failed("releasing tasks"))
}

/// Up to `max` live tasks that have crashed at least `crashes_min` times in a row, the worst first.
pub(super) async fn crashing(
    session: &Session,
    crashes_min: u32,
    max: usize,
) -> Result<Vec<CrashingTask>, StoreError> {
    let rows = session.query(CRASHING, [&i64::from(crashes_min), &limit(max)]).await;
    let crashing = |row: &Row| {
        Ok(CrashingTask {
            task: TaskId::new(get::<String>(row, "id")?),
            owner: OwnerId::new(get::<String>(row, "owner")?),
            model: get(row, "model")?,
            state: get(row, "state")?,
            crashes: unsigned(row, "crashes")?,
            deadline_at: Timestamp::from_millis(get(row, "deadline_at")?),
        })
    };
    rows.map_err(failed("listing tasks that crash"))?.iter().map(crashing).collect()
}
