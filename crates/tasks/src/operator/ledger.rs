//! Money, as the operator reads and settles it. All amounts are in the currency of the ledger.

use domain::{AccountName, Failure, FailureKind, Money, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{HeldMoney, HeldVerdict, LedgerBy, LedgerRow, LedgerSpan, LedgerTotal};

use super::Operator;
use super::page::{self, Listed, Page, PageQuery};
use super::schema::Amount;
use super::span::{span_end, span_start};
use super::tasks::wrong_moment;
use crate::keys::declared_name;
use crate::shared::store_failure;

/// Which rows are wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerQuery {
    /// Written on this day (in UTC) or later, or at this moment (RFC 3339) or later.
    pub from: Option<String>,
    /// Written until the end of this day, or before this moment.
    pub to: Option<String>,
    /// Only what was paid to this account.
    pub account: Option<String>,
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// Which sums are wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TotalsQuery {
    /// What rows are summed by; `owner`, which is a client key, if absent.
    pub by: SummedBy,
    /// Of rows that were written on this day (in UTC) or later, or at this moment (RFC 3339) or later.
    pub from: Option<String>,
    /// Of rows that were written until the end of this day, or before this moment.
    pub to: Option<String>,
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// What rows may be summed by.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(missing_docs, reason = "they are those of store::LedgerBy")]
pub enum SummedBy {
    #[default]
    Owner,
    Account,
    Model,
    Day,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RowView {
    /// Grows with every row.
    pub sequence: i64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The task, which may be gone.
    pub task: String,
    /// `reserve`, `capture`, `release` or `late_adjustment`.
    pub kind: &'static str,
    /// How much; never negative.
    #[schemars(with = "Amount")]
    pub amount: Money,
    /// Whose task it is.
    pub owner: String,
    /// The operator's name for the owner's key.
    pub key: Option<String>,
    /// The public model.
    pub model: String,
    /// Who is paid.
    pub account: Option<String>,
    /// The account's own id of the task.
    pub handle: Option<String>,
}

/// Sums of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TotalView {
    /// What the rows have in common; empty for those without an account.
    pub of: String,
    /// Set aside.
    #[schemars(with = "Amount")]
    pub reserved: Money,
    /// Spent, of what was set aside.
    #[schemars(with = "Amount")]
    pub captured: Money,
    /// Freed.
    #[schemars(with = "Amount")]
    pub released: Money,
    /// Still set aside; negative where it was set aside outside of what was summed.
    #[schemars(with = "Amount")]
    pub open: Money,
    /// Spent besides.
    #[schemars(with = "Amount")]
    pub late_adjustments: Money,
    /// All that is spent.
    #[schemars(with = "Amount")]
    pub spent: Money,
}

/// Money that is still set aside for a task that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldView {
    /// The task.
    pub task: String,
    /// When it was set aside, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How much.
    #[schemars(with = "Amount")]
    pub amount: Money,
    /// Whose task it is.
    pub owner: String,
    /// The public model.
    pub model: String,
    /// The account of the last attempt, if the task is still there.
    pub account: Option<String>,
}

/// What an operator has found out about held money.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Whether the provider charges.
    pub verdict: Verdict,
}

/// Whether a provider charges for a task whose outcome nobody knew.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Verdict {
    /// It does: the price of the last attempt is spent and the rest is freed.
    Capture,
    /// It does not: all of it is freed.
    Release,
}

/// What became of held money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Settled {
    /// The task.
    pub task: String,
    /// What is spent.
    #[schemars(with = "Amount")]
    pub captured: Money,
    /// What is free again.
    #[schemars(with = "Amount")]
    pub released: Money,
}

/// A provider's own id of a task, for which its bill may have a line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkQuery {
    /// The account.
    pub account: String,
    /// Its own id.
    pub handle: String,
}

/// What is known of a provider's own id of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkView {
    /// The task.
    pub task: String,
    /// Where it stands.
    pub state: String,
    /// What the ledger has spent for that id, at any time.
    #[schemars(with = "Amount")]
    pub spent: Money,
    /// What is still set aside although the task has ended.
    #[schemars(with = "Amount")]
    pub held: Money,
}

impl Listed for RowView {
    const PLURAL: &'static str = "rows";
}

impl Listed for TotalView {
    const PLURAL: &'static str = "totals";
}

impl Listed for HeldView {
    const PLURAL: &'static str = "held";
}

impl Operator {
    /// Rows of the ledger, in the order in which they were written.
    pub async fn ledger(&self, query: &LedgerQuery) -> Result<Page<RowView>, Failure> {
        let (after, max) = (page::number(query.after.as_deref())?, page::size(query.max)?);
        let span = span(query.from.as_deref(), query.to.as_deref())?;
        let account = query.account.as_ref().map(AccountName::new);
        let rows = self.shared.store.ledger((after, max + 1), span, account.as_ref()).await;
        let rows = rows.map_err(|error| store_failure(&error))?;
        Ok(Page::of_more(rows, max, |last| last.sequence.to_string()).map(|row| RowView::of(&row)))
    }

    /// Sums of rows, by name.
    pub async fn ledger_totals(&self, query: &TotalsQuery) -> Result<Page<TotalView>, Failure> {
        let max = page::size(query.max)?;
        let by = match query.by {
            SummedBy::Owner => LedgerBy::Owner,
            SummedBy::Account => LedgerBy::Account,
            SummedBy::Model => LedgerBy::Model,
            SummedBy::Day => LedgerBy::Day,
        };
        let span = span(query.from.as_deref(), query.to.as_deref())?;
        let totals =
            self.shared.store.ledger_totals(by, span).await.map_err(|error| store_failure(&error))?;
        let totals: Option<Vec<TotalView>> = totals.into_iter().map(TotalView::of).collect();
        let totals = totals.ok_or_else(|| Failure::internal("a sum is beyond what an amount can be"))?;
        Ok(Page::of_all(totals, query.after.as_deref(), max, |total| &total.of))
    }

    /// Money that is still set aside for tasks that have ended, oldest first.
    pub async fn held_money(&self, query: &PageQuery) -> Result<Page<HeldView>, Failure> {
        let (after, max) = (page::number(query.after.as_deref())?, page::size(query.max)?);
        let held =
            self.shared.store.held_money((after, max + 1)).await.map_err(|error| store_failure(&error))?;
        Ok(Page::of_more(held, max, |last| last.sequence.to_string()).map(HeldView::of))
    }

    /// Decides about what is still set aside for an ended task.
    pub async fn settle(&self, id: &str, settle: Settle) -> Result<Settled, Failure> {
        let verdict = match settle.verdict {
            Verdict::Capture => HeldVerdict::Capture,
            Verdict::Release => HeldVerdict::Release,
        };
        let settled = self.shared.store.settle_held(&TaskId::new(id), verdict).await;
        let nothing =
            || Failure::new(FailureKind::NotFound, "nothing is set aside for an ended task of that id");
        let settled = settled.map_err(|error| store_failure(&error))?.ok_or_else(nothing)?;
        Ok(Settled { task: id.to_owned(), captured: settled.captured, released: settled.released })
    }

    /// What is known of a provider's own id of a task.
    pub async fn work(&self, query: &WorkQuery) -> Result<WorkView, Failure> {
        let work = self.shared.store.known_work(&AccountName::new(&query.account), &query.handle).await;
        let unknown = || Failure::new(FailureKind::NotFound, "no attempt of that account has that id");
        let work = work.map_err(|error| store_failure(&error))?.ok_or_else(unknown)?;
        Ok(WorkView { task: work.task.to_string(), state: work.state, spent: work.spent, held: work.held })
    }
}

impl RowView {
    pub(super) fn of(row: &LedgerRow) -> Self {
        Self {
            sequence: row.sequence,
            at_ms: row.at.as_millis(),
            task: row.task.to_string(),
            kind: row.kind.as_str(),
            amount: row.amount,
            owner: row.owner.to_string(),
            key: row.key_name.clone().or_else(|| declared_name(&row.owner).map(str::to_owned)),
            model: row.model.clone(),
            account: row.account.as_ref().map(ToString::to_string),
            handle: row.handle.clone(),
        }
    }
}

impl TotalView {
    /// `None` if a sum is beyond what an amount can be.
    fn of(total: LedgerTotal) -> Option<Self> {
        Some(Self {
            open: total.open()?,
            spent: total.spent()?,
            of: total.of,
            reserved: total.reserved,
            captured: total.captured,
            released: total.released,
            late_adjustments: total.late,
        })
    }
}

impl HeldView {
    fn of(held: HeldMoney) -> Self {
        Self {
            task: held.task.to_string(),
            at_ms: held.at.as_millis(),
            amount: held.amount,
            owner: held.owner.to_string(),
            model: held.model,
            account: held.account.map(|account| account.to_string()),
        }
    }
}

fn span(from: Option<&str>, to: Option<&str>) -> Result<LedgerSpan, Failure> {
    let from = from.map(|text| span_start(text).map_err(|expected| wrong_moment("from", &expected)));
    let to = to.map(|text| span_end(text).map_err(|expected| wrong_moment("to", &expected)));
    Ok(LedgerSpan { from: from.transpose()?, to: to.transpose()? })
}
