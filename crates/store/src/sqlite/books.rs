//! Reads of the ledger, and the settling of what an end has left set aside.

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, Settlement, Task, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::TaskRow;
use super::{SqliteStore, failed, ledger};
use crate::{
    Books, HeldMoney, HeldVerdict, KnownWork, LedgerBy, LedgerKind, LedgerRow, LedgerSpan, LedgerTotal,
    StoreError,
};

/// The plus keeps the index of moments out: rows come in the order of their sequence, page by page, and are never sorted.
const ROWS: &str = "SELECT sequence, ledger.at, task_id, kind, amount, ledger.owner, client_keys.name, model, account, handle
    FROM ledger LEFT JOIN client_keys ON client_keys.owner = ledger.owner
    WHERE sequence > ?1 AND +ledger.at >= ?2 AND +ledger.at < ?3
      AND (?4 IS NULL OR account = ?4) ORDER BY sequence LIMIT ?5";

const ROWS_OF_TASK: &str = "SELECT sequence, ledger.at, task_id, kind, amount, ledger.owner, client_keys.name, model, account, handle
    FROM ledger LEFT JOIN client_keys ON client_keys.owner = ledger.owner
    WHERE task_id = ?1 ORDER BY sequence";

/// Every task with a reserve has a capture or a release once it is settled: what is set aside is more than nothing.
const HELD: &str = "SELECT sequence, at, task_id, amount, owner, model,
           (SELECT account FROM attempts WHERE task_id = reserved.task_id ORDER BY number DESC LIMIT 1) AS account
    FROM ledger AS reserved
    WHERE kind = 'reserve' AND sequence > ?1 AND (?2 IS NULL OR task_id = ?2)
      AND NOT EXISTS (SELECT 1 FROM ledger AS later
                      WHERE later.task_id = reserved.task_id AND later.kind IN ('capture', 'release'))
      AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = reserved.task_id AND ended_at IS NULL)
    ORDER BY sequence LIMIT ?3";

/// An attempt has the id in the answer to its submission, or else a callback has named it.
const TASK_OF_HANDLE: &str = "SELECT tasks.id, tasks.state FROM tasks
    WHERE id = COALESCE((SELECT task_id FROM attempts WHERE account = ?1 AND handle = ?2),
                        (SELECT task_id FROM inbox WHERE account = ?1 AND handle = ?2))";

#[async_trait]
impl Books for SqliteStore {
    async fn ledger(
        &self,
        page: (i64, usize),
        span: LedgerSpan,
        account: Option<&AccountName>,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let account = account.cloned();
        self.scan(move |c| rows(c, page, span, account.as_ref())).await
    }

    async fn ledger_totals(&self, by: LedgerBy, span: LedgerSpan) -> Result<Vec<LedgerTotal>, StoreError> {
        self.scan(move |c| totals(c, by, span)).await
    }

    async fn held_money(&self, page: (i64, usize)) -> Result<Vec<HeldMoney>, StoreError> {
        self.scan(move |c| held(c, page, None)).await
    }

    async fn settle_held(
        &self,
        id: &TaskId,
        verdict: HeldVerdict,
    ) -> Result<Option<domain::Settlement>, StoreError> {
        let (id, clock) = (id.clone(), self.clock.clone());
        self.writer.write(move |c| settle_held(c, &id, verdict, clock.now())).await
    }

    async fn known_work(&self, account: &AccountName, handle: &str) -> Result<Option<KnownWork>, StoreError> {
        let (account, handle) = (account.clone(), handle.to_owned());
        self.scan(move |c| known_work(c, &account, &handle)).await
    }
}

/// The rows of one task, in the order in which they were written.
pub(super) fn of_task(connection: &Connection, id: &TaskId) -> Result<Vec<LedgerRow>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(ROWS_OF_TASK)?;
        statement.query_map([id.as_str()], row)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(failed("reading the ledger"))
}

/// Up to `max` rows after the row `after`; of one account, if one is named.
pub(super) fn rows(
    connection: &Connection,
    (after, max): (i64, usize),
    span: LedgerSpan,
    account: Option<&AccountName>,
) -> Result<Vec<LedgerRow>, StoreError> {
    let (from, to) = bounds(span);
    let values = params![after, from, to, account.map(AccountName::as_str), limit(max)];
    let read = || {
        let mut statement = connection.prepare_cached(ROWS)?;
        statement.query_map(values, row)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(failed("reading the ledger"))
}

fn row(row: &Row<'_>) -> rusqlite::Result<LedgerRow> {
    let kind: String = row.get("kind")?;
    Ok(LedgerRow {
        sequence: row.get("sequence")?,
        at: Timestamp::from_millis(row.get("at")?),
        task: TaskId::new(row.get::<_, String>("task_id")?),
        // The table lets no other text in.
        kind: LedgerKind::parse(&kind).unwrap_or(LedgerKind::Reserve),
        amount: money(row, "amount")?,
        owner: OwnerId::new(row.get::<_, String>("owner")?),
        key_name: row.get("name")?,
        model: row.get("model")?,
        account: row.get::<_, Option<String>>("account")?.map(AccountName::new),
        handle: row.get("handle")?,
    })
}

/// Sums of all rows of the span, by name.
pub(super) fn totals(
    connection: &Connection,
    by: LedgerBy,
    span: LedgerSpan,
) -> Result<Vec<LedgerTotal>, StoreError> {
    let (from, to) = bounds(span);
    let of = match by {
        LedgerBy::Owner => "owner",
        LedgerBy::Account => "COALESCE(account, '')",
        LedgerBy::Model => "model",
        LedgerBy::Day => "date(at / 1000, 'unixepoch')",
    };
    let sql = format!(
        "SELECT {of} AS label,
                COALESCE(SUM(amount) FILTER (WHERE kind = 'reserve'), 0) AS reserved,
                COALESCE(SUM(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
                COALESCE(SUM(amount) FILTER (WHERE kind = 'release'), 0) AS released,
                COALESCE(SUM(amount) FILTER (WHERE kind = 'late_adjustment'), 0) AS late
         FROM ledger WHERE at >= ?1 AND at < ?2 GROUP BY label ORDER BY label"
    );
    let total = |row: &Row<'_>| {
        Ok(LedgerTotal {
            of: row.get("label")?,
            reserved: money(row, "reserved")?,
            captured: money(row, "captured")?,
            released: money(row, "released")?,
            late: money(row, "late")?,
        })
    };
    let read =
        || connection.prepare(&sql)?.query_map([from, to], total)?.collect::<rusqlite::Result<Vec<_>>>();
    read().map_err(failed("summing the ledger"))
}

/// Up to `max` sums that are still set aside for ended tasks, after the row `after`.
pub(super) fn held(
    connection: &Connection,
    (after, max): (i64, usize),
    task: Option<&TaskId>,
) -> Result<Vec<HeldMoney>, StoreError> {
    let values = params![after, task.map(TaskId::as_str), limit(max)];
    let read = || {
        let mut statement = connection.prepare_cached(HELD)?;
        statement.query_map(values, held_money)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(failed("reading what is set aside"))
}

fn held_money(row: &Row<'_>) -> rusqlite::Result<HeldMoney> {
    Ok(HeldMoney {
        sequence: row.get("sequence")?,
        at: Timestamp::from_millis(row.get("at")?),
        task: TaskId::new(row.get::<_, String>("task_id")?),
        amount: money(row, "amount")?,
        owner: OwnerId::new(row.get::<_, String>("owner")?),
        model: row.get("model")?,
        account: row.get::<_, Option<String>>("account")?.map(AccountName::new),
    })
}

/// Settles what is still set aside for an ended task; nothing if there is nothing.
pub(super) fn settle_held(
    connection: &Connection,
    id: &TaskId,
    verdict: HeldVerdict,
    now: Timestamp,
) -> Result<Option<Settlement>, StoreError> {
    let Some(held) = held(connection, (0, 1), Some(id))?.pop() else { return Ok(None) };
    let settlement = match verdict {
        HeldVerdict::Release => Settlement::release(held.amount),
        HeldVerdict::Capture => {
            // Of a task that is gone the whole is spent: nobody knows its price any more.
            let task = task(connection, id)?;
            let price = task.and_then(|task| task.attempt().map(|attempt| task.price_of(&attempt.plan)));
            Settlement::capture(held.amount, price.unwrap_or(held.amount))
        }
    };
    ledger::append(connection, &ledger::settle_held(&held, settlement), now)?;
    Ok(Some(settlement))
}

/// The task, whether its owner has forgotten it or not.
fn task(connection: &Connection, id: &TaskId) -> Result<Option<Task>, StoreError> {
    let sql = "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version
               FROM tasks WHERE id = ?1";
    let read = || connection.prepare_cached(sql)?.query_row([id.as_str()], TaskRow::read).optional();
    let row = read().map_err(failed("reading a task"))?;
    row.map(|row| row.with_attempts(connection)?.decode()).transpose()
}

/// What is known of `handle`, the account's own id of a task; nothing if no attempt of it had that.
pub(super) fn known_work(
    connection: &Connection,
    account: &AccountName,
    handle: &str,
) -> Result<Option<KnownWork>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(TASK_OF_HANDLE)?;
        let task = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let Some((task, state)) = statement.query_row([account.as_str(), handle], task).optional()? else {
            return Ok(None);
        };
        let sql = "SELECT COALESCE(SUM(amount), 0) AS spent FROM ledger
                   WHERE task_id = ?1 AND account = ?2 AND handle = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let values = [task.as_str(), account.as_str(), handle];
        let spent = statement.query_row(values, |row| money(row, "spent"))?;
        Ok(Some((TaskId::new(task), state, spent)))
    };
    let Some((task, state, spent)) = read().map_err(failed("reading an attempt"))? else { return Ok(None) };
    let held = held(connection, (0, 1), Some(&task))?.pop().map_or(Money::ZERO, |held| held.amount);
    Ok(Some(KnownWork { task, state, spent, held }))
}

fn bounds(span: LedgerSpan) -> (i64, i64) {
    let bound = |at: Option<Timestamp>, open| at.map_or(open, Timestamp::as_millis);
    (bound(span.from, i64::MIN), bound(span.to, i64::MAX))
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn money(row: &Row<'_>, column: &str) -> rusqlite::Result<Money> {
    row.get(column).map(Money::from_billionths)
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn a_page_of_the_ledger_costs_no_more_than_its_rows() {
        for sql in [ROWS, HELD] {
            let plan = query_plan::of(sql).concat();
            assert!(plan.contains("USING INTEGER PRIMARY KEY") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
