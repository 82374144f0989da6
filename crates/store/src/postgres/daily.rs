//! What is used of limits in one day. Whoever changes it has locked it first, in the order of its key, so it is exact.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Money, TaskId, Timestamp};
use tokio::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::failed;
use super::rows::{get, signed, unsigned};
use super::session::Session;
use super::text::storable;
use crate::daily::day;
use crate::{DailyKey, DailyLimit, DailyUse, DailyVerdict, OverDaily, StoreError};

/// Locks rows in the order of the arrays, which are sorted, and makes those that are missing. Without a day it is today.
pub(super) const TOUCH: &str = "INSERT INTO daily_usage (day, kind, name, model, tasks, spend)
    SELECT COALESCE(day, {now} / 86400000), kind, name, model, 0, 0
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS key (day, kind, name, model)
    ON CONFLICT (day, kind, name, model) DO UPDATE SET tasks = daily_usage.tasks
    RETURNING day, kind, name, model, tasks, spend";
pub(super) const CHANGE: &str = "UPDATE daily_usage SET tasks = new.tasks, spend = new.spend
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
         AS new (day, kind, name, model, tasks, spend)
    WHERE daily_usage.day = new.day AND daily_usage.kind = new.kind AND daily_usage.name = new.name
      AND daily_usage.model = new.model";
pub(super) const NOTE: &str = "INSERT INTO daily_uses (task_id, attempt, day, kind, name, model, spend)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])";
/// All days that a task and its attempts were counted in.
pub(super) const LOCK_OF_TASK: &str = "SELECT 1 FROM daily_usage
    WHERE (day, kind, name, model) IN (SELECT day, kind, name, model FROM daily_uses WHERE task_id = $1)
    ORDER BY day, kind, name, model FOR UPDATE";
/// Of a task: the attempts that nobody has to pay for, and at its end ($2) also those that were never made.
pub(super) const GIVE_BACK_UNPAID: &str = "UPDATE daily_usage
    SET tasks = daily_usage.tasks - counted.tasks, spend = daily_usage.spend - counted.spend
    FROM (SELECT day, kind, name, model, COUNT(*) AS tasks, SUM(spend)::bigint AS spend FROM daily_uses
          WHERE task_id = $1 AND attempt > 0 AND (attempt = ANY($3) OR $2 AND NOT attempt = ANY($4))
          GROUP BY day, kind, name, model) AS counted
    WHERE daily_usage.day = counted.day AND daily_usage.kind = counted.kind AND daily_usage.name = counted.name
      AND daily_usage.model = counted.model";
pub(super) const FORGET_UNPAID: &str = "DELETE FROM daily_uses
    WHERE task_id = $1 AND attempt > 0 AND (attempt = ANY($3) OR $2 AND NOT attempt = ANY($4))";

const HELD: &str = "SELECT {now} AS now FROM tasks
    WHERE id = $1 AND lease_epoch = $2 AND lease_holder IS NOT NULL FOR UPDATE";
const COUNTED: &str =
    "SELECT day, kind, name, model, spend FROM daily_uses WHERE task_id = $1 AND attempt = $2";
const FORGET: &str = "DELETE FROM daily_uses WHERE task_id = $1 AND attempt = $2";
const USED: &str = "SELECT usage.tasks, usage.spend
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS key (kind, name, model, place)
         LEFT JOIN daily_usage AS usage ON usage.day = {now} / 86400000 AND usage.kind = key.kind
                                       AND usage.name = key.name AND usage.model = key.model
    ORDER BY place";

/// Kind, name and model, as they are stored.
type Name = (String, String, String);

fn name(key: &DailyKey) -> Name {
    let (kind, name, model) = key.columns();
    (kind.to_owned(), name.to_owned(), storable(model).into_owned())
}

/// Rows to be locked, by column.
#[derive(Debug, Default)]
pub(super) struct Touch {
    days: Vec<Option<i64>>,
    kinds: Vec<String>,
    names: Vec<String>,
    models: Vec<String>,
}

impl Touch {
    /// Those of today.
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a DailyKey>) -> Self {
        Self::sorted(keys.map(|key| (None, name(key))).collect())
    }

    fn sorted(rows: BTreeSet<(Option<i64>, Name)>) -> Self {
        let mut touch = Self::default();
        for (day, (kind, name, model)) in rows {
            touch.days.push(day);
            touch.kinds.push(kind);
            touch.names.push(name);
            touch.models.push(model);
        }
        touch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// For [`TOUCH`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 4] {
        [&self.days, &self.kinds, &self.names, &self.models]
    }
}

/// What is used, as it was read and as it will be.
#[derive(Debug, Default)]
pub(super) struct Days {
    today: i64,
    used: BTreeMap<(i64, Name), DailyUse>,
}

impl Days {
    /// Adds a row that [`TOUCH`] has given. The latest day is today.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let day = get(row, "day")?;
        self.today = self.today.max(day);
        let used =
            DailyUse { tasks: unsigned(row, "tasks")?, spend: Money::from_billionths(get(row, "spend")?) };
        let name = (get(row, "kind")?, get(row, "name")?, get(row, "model")?);
        self.used.insert((day, name), used);
        Ok(())
    }

    pub(super) fn today(&self) -> i64 {
        self.today
    }

    /// What is used today.
    pub(super) fn used(&self, key: &DailyKey) -> DailyUse {
        self.used.get(&(self.today, name(key))).copied().unwrap_or_default()
    }

    /// Counts one task more today, of that price.
    pub(super) fn count(&mut self, key: &DailyKey, price: Money) {
        let used = self.used.entry((self.today, name(key))).or_default();
        used.tasks += 1;
        used.spend = used.spend.checked_add(price).unwrap_or(used.spend);
    }

    /// Takes one task back that was counted on that day. Of a day that was forgotten there is nothing to take back.
    fn uncount(&mut self, day: i64, name: Name, spend: i64) {
        let used = self.used.entry((day, name)).or_default();
        used.tasks = used.tasks.saturating_sub(1);
        used.spend = Money::from_billionths((used.spend.billionths() - spend).max(0));
    }

    /// By column, for [`CHANGE`].
    pub(super) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for ((day, (kind, name, model)), used) in &self.used {
            changes.days.push(*day);
            changes.kinds.push(kind.clone());
            changes.names.push(name.clone());
            changes.models.push(model.clone());
            changes.tasks.push(used.tasks.into());
            changes.spends.push(used.spend.billionths());
        }
        changes
    }
}

/// What is used from now on.
#[derive(Debug, Default)]
pub(super) struct Changes {
    days: Vec<i64>,
    kinds: Vec<String>,
    names: Vec<String>,
    models: Vec<String>,
    tasks: Vec<i64>,
    spends: Vec<i64>,
}

impl Changes {
    /// For [`CHANGE`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.days, &self.kinds, &self.names, &self.models, &self.tasks, &self.spends]
    }
}

/// What was counted for whom, by column.
#[derive(Debug, Default)]
pub(super) struct Uses {
    tasks: Vec<String>,
    attempts: Vec<i64>,
    days: Vec<i64>,
    kinds: Vec<String>,
    names: Vec<String>,
    models: Vec<String>,
    spends: Vec<i64>,
}

impl Uses {
    /// Adds what is counted today for an attempt of a task, or for the task itself.
    pub(super) fn add(
        &mut self,
        (task, attempt): (&str, u32),
        today: i64,
        limits: &[DailyLimit],
        price: Money,
    ) {
        for limit in limits {
            let (kind, name, model) = name(&limit.key);
            self.tasks.push(task.to_owned());
            self.attempts.push(attempt.into());
            self.days.push(today);
            self.kinds.push(kind);
            self.names.push(name);
            self.models.push(model);
            self.spends.push(price.billionths());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// For [`NOTE`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [&self.tasks, &self.attempts, &self.days, &self.kinds, &self.names, &self.models, &self.spends]
    }
}

/// What is used today of the limits with these keys, in their order.
pub(super) async fn used_today(session: &Session, keys: &[DailyKey]) -> Result<Vec<DailyUse>, StoreError> {
    let (mut kinds, mut names, mut models) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, name, model) in keys.iter().map(name) {
        kinds.push(kind);
        names.push(name);
        models.push(model);
    }
    let rows = session.query(USED, [&kinds, &names, &models]).await;
    let used = |row: &Row| {
        Ok(DailyUse {
            tasks: get::<Option<i64>>(row, "tasks")?.unwrap_or_default().try_into().unwrap_or(u32::MAX),
            spend: Money::from_billionths(get::<Option<i64>>(row, "spend")?.unwrap_or_default()),
        })
    };
    rows.map_err(failed("reading what is used today"))?.iter().map(used).collect()
}

/// Counts an attempt of a claimed task in all of `limits`, in place of what was counted for it before; or in none.
pub(super) async fn count_attempt(
    session: &Session,
    (task, epoch, attempt): (&TaskId, u64, u32),
    limits: &[DailyLimit],
    price: Money,
) -> Result<DailyVerdict, StoreError> {
    let (epoch, number, task) = (signed(epoch), i64::from(attempt), task.as_str());
    let begin = async {
        let [held, counted] = session.prepare([HELD, COUNTED]).await?;
        try_join!(
            biased;
            session.begin(),
            session.rows(&held, [&task, &epoch]),
            session.rows(&counted, [&task, &number]),
        )
    };
    let ((), held, counted) = begin.await.map_err(failed("reading a claim"))?;
    let Some(held) = held.first() else { return Err(StoreError::Stale) };
    let now = Timestamp::from_millis(get(held, "now")?);
    if counted.is_empty() && limits.is_empty() {
        return Ok(DailyVerdict::Counted);
    }
    let mut days = Days { today: day(now), ..Days::default() };
    lock(session, &mut days, &counted, limits).await?;
    for row in &counted {
        let name = (get(row, "kind")?, get(row, "name")?, get(row, "model")?);
        days.uncount(get(row, "day")?, name, get(row, "spend")?);
    }
    let over = limits.iter().find_map(|limit| limit.over(days.used(&limit.key), price, now));
    let mut uses = Uses::default();
    if over.is_none() {
        limits.iter().for_each(|limit| days.count(&limit.key, price));
        uses.add((task, attempt), days.today, limits, price);
    }
    let changes = days.changes();
    let change = async {
        let [change, forget, note] = session.prepare([CHANGE, FORGET, NOTE]).await?;
        try_join!(
            biased;
            session.run(&change, changes.values()),
            session.run(&forget, [&task, &number]),
            session.run_unless(uses.is_empty(), &note, uses.values()),
        )
    };
    change.await.map_err(failed("counting an attempt of the day"))?;
    Ok(over.map_or(DailyVerdict::Counted, |over: OverDaily| DailyVerdict::Over(over)))
}

/// Locks, and reads, what was counted and what is to be counted.
async fn lock(
    session: &Session,
    days: &mut Days,
    counted: &[Row],
    limits: &[DailyLimit],
) -> Result<(), StoreError> {
    let mut rows: BTreeSet<_> = limits.iter().map(|limit| (Some(days.today), name(&limit.key))).collect();
    for row in counted {
        rows.insert((Some(get(row, "day")?), (get(row, "kind")?, get(row, "name")?, get(row, "model")?)));
    }
    let touch = Touch::sorted(rows);
    let rows = session.query(TOUCH, touch.values()).await.map_err(failed("reading what is used today"))?;
    rows.iter().try_for_each(|row| days.add(row))
}
