//! What was set aside, spent and freed. Rows are only ever added; one of each kind for a task.

use std::borrow::Cow;

use domain::Money;
use tokio::try_join;
use tokio_postgres::types::ToSql;

use super::failure::{Failure, failed};
use super::rows::get;
use super::session::Session;
use super::text::storable;
use crate::StoreError;
use crate::entries::{Entry, Late};

const COMMIT_MONEY: &str = "UPDATE owners SET committed = committed + $2 WHERE owner = $1";
/// Rows are locked in the order of their key, then changed.
const LOCK_DAY: &str = "SELECT 1 FROM daily_usage
    WHERE (day, kind, name, model) IN
          (SELECT day, kind, name, model FROM daily_uses WHERE task_id = $1 AND attempt = 0)
    ORDER BY day, kind, name, model FOR UPDATE";
pub(super) const CHANGE_SPEND: &str = "UPDATE daily_usage SET spend = daily_usage.spend + $2 FROM daily_uses AS counted
    WHERE counted.task_id = $1 AND counted.attempt = 0 AND daily_usage.day = counted.day
      AND daily_usage.kind = counted.kind AND daily_usage.name = counted.name AND daily_usage.model = counted.model";
pub(super) const APPEND: &str =
    "INSERT INTO ledger (task_id, kind, amount, owner, model, account, handle, at)
    SELECT task_id, kind, amount, owner, model, account, handle, {now}
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
         AS entry (task_id, kind, amount, owner, model, account, handle)";
const SET_ASIDE: &str =
    "SELECT COALESCE(SUM(CASE kind WHEN 'reserve' THEN amount ELSE -amount END), 0)::bigint AS amount
     FROM ledger WHERE task_id = $1 AND kind <> 'late_adjustment'";

/// Adds rows of one task, and changes by as much what its owner has set aside or spent, in all and on the day of the task.
/// Within a transaction that has locked no owner and no day.
pub(super) async fn append(session: &Session, entries: &[Entry]) -> Result<(), StoreError> {
    let Some(first) = entries.first() else { return Ok(()) };
    let billionths: i64 = entries.iter().map(Entry::commits).sum();
    if billionths != 0 {
        let (owner, task) = (&first.owner, &first.task);
        let change = async {
            let [commit, lock, spend] = session.prepare([COMMIT_MONEY, LOCK_DAY, CHANGE_SPEND]).await?;
            try_join!(
                biased;
                session.run(&commit, [owner, &billionths]),
                session.rows(&lock, [task]),
                session.run(&spend, [task, &billionths]),
            )
        };
        change.await.map_err(failed("changing what an owner has spent"))?;
    }
    insert(session, entries).await.map_err(|failure| match failure.violated() {
        Some(_) => StoreError::Conflict(format!("a row of the ledger for task {}", first.task)),
        None => failed("writing the ledger")(failure),
    })
}

/// Adds rows and nothing else.
async fn insert(session: &Session, entries: &[Entry]) -> Result<(), Failure> {
    let [statement] = session.prepare([APPEND]).await?;
    let columns = Columns::of(entries.iter());
    session.run(&statement, columns.values()).await.map(drop)
}

/// Settles what the end of the task has left set aside, once: rows of one task come from one transaction at a time, which
/// must have locked something of that task.
pub(super) async fn settle_late(session: &Session, late: Late) -> Result<(), StoreError> {
    let row = session.one(SET_ASIDE, [&late.task()]).await.map_err(failed("reading the ledger"))?;
    let entries = late.entries(Money::from_billionths(get(&row, "amount")?));
    append(session, &entries).await
}

/// Entries by column.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    tasks: Vec<&'a str>,
    kinds: Vec<&'a str>,
    amounts: Vec<i64>,
    owners: Vec<&'a str>,
    models: Vec<Cow<'a, str>>,
    accounts: Vec<Option<&'a str>>,
    handles: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.tasks.push(&entry.task);
            columns.kinds.push(entry.kind);
            columns.amounts.push(entry.amount.billionths());
            columns.owners.push(&entry.owner);
            columns.models.push(storable(&entry.model));
            columns.accounts.push(entry.account.as_deref());
            columns.handles.push(entry.handle.as_deref().map(storable));
        }
        columns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// For [`APPEND`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [&self.tasks, &self.kinds, &self.amounts, &self.owners, &self.models, &self.accounts, &self.handles]
    }
}
