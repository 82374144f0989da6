//! Reads of the ledger, and the settling of what an end has left set aside.
//!
//! The ledger only grows: what could concern all of it is read in parts, so that no statement takes long.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, Settlement, TaskId, Timestamp};
use tokio_postgres::Row;

use super::durations::millis;
use super::failure::failed;
use super::retry::Tries;
use super::rows::{attempt_columns, get, joined, limit, task_columns};
use super::session::Session;
use super::text::storable;
use super::{PostgresStore, ledger};
use crate::{
    Books, HeldMoney, HeldVerdict, KnownWork, LedgerBy, LedgerKind, LedgerRow, LedgerSpan, LedgerTotal,
    StoreError, entries,
};

/// Rows of the ledger that one statement reads.
const PART: i64 = 100_000;

/// The columns that [`row`] reads.
macro_rules! ledger_columns {
    () => {
        "SELECT ledger.sequence, ledger.at, task_id, kind, amount, ledger.owner, client_keys.name, model, account, handle
         FROM ledger LEFT JOIN client_keys ON client_keys.owner = ledger.owner "
    };
}

/// The first row of those that are younger than $1. Rows that are written at one time have their numbers in another order
/// than their moments; there are never as many as this looks at.
const YOUNG: &str = "SELECT MIN(sequence) AS sequence
    FROM (SELECT sequence FROM ledger WHERE at > {now} - $1 ORDER BY at LIMIT 10000) AS young";
/// The last row before which no more can come, for a reader who goes on from there. Numbers are given when a row is written,
/// but it is seen from its commit on: a number that is missing from $1 on may still come, unless what follows it is older
/// than $2, longer than which no transaction lives.
const SETTLED: &str = "SELECT COALESCE(MIN(previous), (SELECT MAX(sequence) FROM ledger)) AS sequence
    FROM (SELECT sequence, at, LAG(sequence, 1, (SELECT COALESCE(MAX(sequence), 0) FROM ledger WHERE sequence < $1))
                               OVER (ORDER BY sequence) AS previous
          FROM ledger WHERE sequence >= $1) AS numbered
    WHERE previous < sequence - 1 AND at > {now} - $2";
const LAST: &str = "SELECT COALESCE(MAX(sequence), 0) AS sequence FROM ledger";
const ROWS: &str = concat!(
    ledger_columns!(),
    "WHERE ledger.sequence > $1 AND ledger.sequence <= $2 AND ledger.at >= $3 AND ledger.at < $4
       AND ($5::TEXT IS NULL OR account = $5) ORDER BY ledger.sequence LIMIT $6"
);
const ROWS_OF_TASK: &str = concat!(ledger_columns!(), "WHERE task_id = $1 ORDER BY ledger.sequence");
/// Every task with a reserve has a capture or a release once it is settled: what is set aside is more than nothing.
macro_rules! held_where {
    ($which:literal) => {
        concat!(
            "SELECT sequence, at, task_id, amount, owner, model,
                 (SELECT account FROM attempts WHERE task_id = reserved.task_id ORDER BY number DESC LIMIT 1) AS account
             FROM ledger AS reserved
             WHERE kind = 'reserve' AND ",
            $which,
            " AND NOT EXISTS (SELECT 1 FROM ledger AS later
                              WHERE later.task_id = reserved.task_id AND later.kind IN ('capture', 'release'))
              AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = reserved.task_id AND ended_at IS NULL)"
        )
    };
}
const HELD: &str = concat!(held_where!("sequence > $1 AND sequence <= $2"), " ORDER BY sequence LIMIT $3");
const HELD_OF_TASK: &str = held_where!("task_id = $1");
/// Whoever settles money of an ended task locks its watch, if it has one, then its owner.
const LOCK_WATCH: &str = "SELECT 1 FROM late_watches WHERE task_id = $1 FOR UPDATE";
const LOCK_OWNER: &str = "SELECT 1 FROM owners
    WHERE owner IN (SELECT owner FROM ledger WHERE task_id = $1 AND kind = 'reserve') FOR UPDATE";
const TASK: &str = concat!(
    "SELECT ",
    task_columns!(),
    ", ",
    attempt_columns!(),
    " FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id WHERE tasks.id = $1 ORDER BY attempts.number"
);
/// An attempt has the id in the answer to its submission, or else a callback has named it.
const TASK_OF_HANDLE: &str = "SELECT id, state FROM tasks
    WHERE id = COALESCE((SELECT task_id FROM attempts WHERE account = $1 AND handle = $2),
                        (SELECT task_id FROM inbox WHERE account = $1 AND handle = $2 LIMIT 1))";
const SPENT: &str = "SELECT COALESCE(SUM(amount), 0)::BIGINT AS amount FROM ledger
    WHERE task_id = $1 AND account = $2 AND handle = $3";

/// Sums by name, of a part.
const fn totals_of(by: LedgerBy) -> &'static str {
    macro_rules! by {
        ($of:literal) => {
            concat!(
                "SELECT ",
                $of,
                " AS label, kind, SUM(amount)::BIGINT AS amount FROM ledger
                 WHERE sequence > $1 AND sequence <= $2 AND at >= $3 AND at < $4 GROUP BY 1, 2"
            )
        };
    }
    match by {
        LedgerBy::Owner => by!("owner"),
        LedgerBy::Account => by!("COALESCE(account, '')"),
        LedgerBy::Model => by!("model"),
        LedgerBy::Day => by!("(DATE '1970-01-01' + floor(at / 86400000.0)::INTEGER)::TEXT"),
    }
}

#[async_trait]
impl Books for PostgresStore {
    async fn ledger(
        &self,
        (mut after, max): (i64, usize),
        span: LedgerSpan,
        account: Option<&AccountName>,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let ((from, to), account) = (bounds(span), account.map(AccountName::as_str));
        let session = self.pool.session().await?;
        let (last, mut found) = (settled(&session).await?, Vec::new());
        while after < last && found.len() < max {
            let until = after.saturating_add(PART).min(last);
            let left = limit(max - found.len());
            let rows = session.query(ROWS, [&after, &until, &from, &to, &account, &left]).await;
            let rows = rows.map_err(failed("reading the ledger"))?;
            found.extend(rows.iter().map(row).collect::<Result<Vec<_>, _>>()?);
            after = until;
        }
        Ok(found)
    }

    async fn ledger_totals(&self, by: LedgerBy, span: LedgerSpan) -> Result<Vec<LedgerTotal>, StoreError> {
        let ((from, to), mut after) = (bounds(span), 0);
        let session = self.pool.session().await?;
        let (last, mut totals) = (last(&session).await?, BTreeMap::new());
        while after < last {
            let until = after.saturating_add(PART);
            let rows = session.query(totals_of(by), [&after, &until, &from, &to]).await;
            for row in rows.map_err(failed("summing the ledger"))? {
                add(&mut totals, &row)?;
            }
            after = until;
        }
        Ok(totals.into_values().collect())
    }

    async fn held_money(&self, (mut after, max): (i64, usize)) -> Result<Vec<HeldMoney>, StoreError> {
        let session = self.pool.session().await?;
        let (last, mut found) = (last(&session).await?, Vec::new());
        while after < last && found.len() < max {
            let until = after.saturating_add(PART);
            let rows = session.query(HELD, [&after, &until, &limit(max - found.len())]).await;
            let rows = rows.map_err(failed("reading what is set aside"))?;
            found.extend(rows.iter().map(held_money).collect::<Result<Vec<_>, _>>()?);
            after = until;
        }
        Ok(found)
    }

    async fn settle_held(&self, id: &TaskId, verdict: HeldVerdict) -> Result<Option<Settlement>, StoreError> {
        let mut tries = Tries::default();
        loop {
            let session = self.pool.session().await?;
            let result = settle_held(&session, id, verdict).await;
            match session.end(result).await {
                Err(error) if tries.again_after(&error).await => {}
                result => return result,
            }
        }
    }

    async fn known_work(&self, account: &AccountName, handle: &str) -> Result<Option<KnownWork>, StoreError> {
        let (account, handle) = (account.as_str(), storable(handle));
        let session = self.pool.session().await?;
        let task = session.first(TASK_OF_HANDLE, [&account, &handle]).await;
        let Some(task) = task.map_err(failed("reading an attempt"))? else { return Ok(None) };
        let id = TaskId::new(get::<String>(&task, "id")?);
        let spent = session.one(SPENT, [&id.as_str(), &account, &handle]).await;
        let spent = money(&spent.map_err(failed("reading the ledger"))?)?;
        let held = held_of(&session, &id).await?.map_or(Money::ZERO, |held| held.amount);
        Ok(Some(KnownWork { task: id, state: get(&task, "state")?, spent, held }))
    }
}

/// The rows of that task, in the order in which they were written.
pub(super) async fn of_task(session: &Session, id: &TaskId) -> Result<Vec<LedgerRow>, StoreError> {
    let rows = session.query(ROWS_OF_TASK, [&id.as_str()]).await;
    rows.map_err(failed("reading the ledger"))?.iter().map(row).collect()
}

/// The number of the last row.
async fn last(session: &Session) -> Result<i64, StoreError> {
    get(&session.one(LAST, []).await.map_err(failed("reading the ledger"))?, "sequence")
}

/// The number of the last row before which no more can come.
async fn settled(session: &Session) -> Result<i64, StoreError> {
    let longest = millis(session.transaction_max());
    let young = session.one(YOUNG, [&longest]).await.map_err(failed("reading the ledger"))?;
    let Some(young) = get::<Option<i64>>(&young, "sequence")? else { return last(session).await };
    let settled = session.one(SETTLED, [&young, &longest]).await;
    get(&settled.map_err(failed("reading the ledger"))?, "sequence")
}

/// Settles what is still set aside for an ended task; nothing if there is nothing.
async fn settle_held(
    session: &Session,
    id: &TaskId,
    verdict: HeldVerdict,
) -> Result<Option<Settlement>, StoreError> {
    session.begin().await.map_err(failed("beginning to settle what is set aside"))?;
    for lock in [LOCK_WATCH, LOCK_OWNER] {
        session.query(lock, [&id.as_str()]).await.map_err(failed("locking what is set aside"))?;
    }
    let Some(held) = held_of(session, id).await? else { return Ok(None) };
    let settlement = match verdict {
        HeldVerdict::Release => Settlement::release(held.amount),
        HeldVerdict::Capture => {
            // Of a task that is gone the whole is spent: nobody knows its price any more.
            let rows = session.query(TASK, [&id.as_str()]).await.map_err(failed("reading a task"))?;
            let task = joined(&rows)?.pop().map(crate::rows::TaskRow::decode).transpose()?;
            let price = task.and_then(|task| task.attempt().map(|attempt| task.price_of(&attempt.plan)));
            Settlement::capture(held.amount, price.unwrap_or(held.amount))
        }
    };
    ledger::append(session, &entries::settle_held(&held, settlement)).await?;
    Ok(Some(settlement))
}

async fn held_of(session: &Session, id: &TaskId) -> Result<Option<HeldMoney>, StoreError> {
    let row = session.first(HELD_OF_TASK, [&id.as_str()]).await;
    row.map_err(failed("reading what is set aside"))?.as_ref().map(held_money).transpose()
}

fn row(row: &Row) -> Result<LedgerRow, StoreError> {
    Ok(LedgerRow {
        sequence: get(row, "sequence")?,
        at: Timestamp::from_millis(get(row, "at")?),
        task: TaskId::new(get::<String>(row, "task_id")?),
        kind: kind(row)?,
        amount: money(row)?,
        owner: OwnerId::new(get::<String>(row, "owner")?),
        key_name: get(row, "name")?,
        model: get(row, "model")?,
        account: get::<Option<String>>(row, "account")?.map(AccountName::new),
        handle: get(row, "handle")?,
    })
}

fn held_money(row: &Row) -> Result<HeldMoney, StoreError> {
    Ok(HeldMoney {
        sequence: get(row, "sequence")?,
        at: Timestamp::from_millis(get(row, "at")?),
        task: TaskId::new(get::<String>(row, "task_id")?),
        amount: money(row)?,
        owner: OwnerId::new(get::<String>(row, "owner")?),
        model: get(row, "model")?,
        account: get::<Option<String>>(row, "account")?.map(AccountName::new),
    })
}

/// Adds the sum of a part to that of the parts before it.
fn add(totals: &mut BTreeMap<String, LedgerTotal>, row: &Row) -> Result<(), StoreError> {
    let of: String = get(row, "label")?;
    let total =
        totals.entry(of.clone()).or_insert_with(|| LedgerTotal { of: of.clone(), ..LedgerTotal::default() });
    let sum = match kind(row)? {
        LedgerKind::Reserve => &mut total.reserved,
        LedgerKind::Capture => &mut total.captured,
        LedgerKind::Release => &mut total.released,
        LedgerKind::LateAdjustment => &mut total.late,
    };
    let too_much = || StoreError::Corrupt(format!("sum of the ledger for {of}: it is too large"));
    *sum = sum.checked_add(money(row)?).ok_or_else(too_much)?;
    Ok(())
}

fn kind(row: &Row) -> Result<LedgerKind, StoreError> {
    let kind: &str = get(row, "kind")?;
    LedgerKind::parse(kind).ok_or_else(|| StoreError::Corrupt(format!("kind of a row of the ledger: {kind}")))
}

fn money(row: &Row) -> Result<Money, StoreError> {
    get(row, "amount").map(Money::from_billionths)
}

fn bounds(span: LedgerSpan) -> (i64, i64) {
    let bound = |at: Option<Timestamp>, open| at.map_or(open, Timestamp::as_millis);
    (bound(span.from, i64::MIN), bound(span.to, i64::MAX))
}
