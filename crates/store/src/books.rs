//! The ledger as it is read: rows, sums, and money that waits for a decision.

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, Settlement, TaskId, Timestamp};

use crate::StoreError;

/// The ledger as it is read, and money that waits for a decision. Rows are written by what they are about.
#[async_trait]
pub trait Books: Send + Sync {
    /// Up to `max` rows of the ledger after the row `after` (0 for the first), in the order in which they were written; of
    /// what was paid to one account, if one is named.
    ///
    /// Whoever goes on after the last row of a page misses none: a page ends before rows that one still being written
    /// would precede.
    async fn ledger(
        &self,
        page: (i64, usize),
        span: LedgerSpan,
        account: Option<&AccountName>,
    ) -> Result<Vec<LedgerRow>, StoreError>;

    /// Sums of the rows of that span, by name.
    async fn ledger_totals(&self, by: LedgerBy, span: LedgerSpan) -> Result<Vec<LedgerTotal>, StoreError>;

    /// Up to `max` sums that are still set aside although their tasks have ended, after that of the row `after`, oldest
    /// first.
    async fn held_money(&self, page: (i64, usize)) -> Result<Vec<HeldMoney>, StoreError>;

    /// Settles what is still set aside for an ended task, in one transaction; `None` if nothing is.
    async fn settle_held(&self, id: &TaskId, verdict: HeldVerdict) -> Result<Option<Settlement>, StoreError>;

    /// What is known of an account's own id of a task; `None` if no attempt of it had that.
    async fn known_work(&self, account: &AccountName, handle: &str) -> Result<Option<KnownWork>, StoreError>;
}

/// What a row of the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerKind {
    /// Set aside at accept.
    Reserve,
    /// Spent, of what was set aside.
    Capture,
    /// Freed, of what was set aside.
    Release,
    /// Spent after what was set aside had been freed.
    LateAdjustment,
}

impl LedgerKind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::LateAdjustment => "late_adjustment",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reserve, Self::Capture, Self::Release, Self::LateAdjustment]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Grows with every row.
    pub sequence: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The task, which may be gone.
    pub task: TaskId,
    /// What it says.
    pub kind: LedgerKind,
    /// How much; never negative.
    pub amount: Money,
    /// Whose task it is.
    pub owner: OwnerId,
    /// The operator's name of the owner's key; absent for keys that are not in the store.
    pub key_name: Option<String>,
    /// The public model.
    pub model: String,
    /// Who is paid; absent for what is set aside or freed.
    pub account: Option<AccountName>,
    /// The account's own id of the task, where it has one.
    pub handle: Option<String>,
}

/// Rows from one moment to before another; absent bounds are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerSpan {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub to: Option<Timestamp>,
}

/// What rows are summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerBy {
    /// The owner, which is a client key.
    Owner,
    /// Who is paid; what is set aside and freed has none.
    Account,
    /// The public model.
    Model,
    /// The day, in UTC.
    Day,
}

/// Sums of some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerTotal {
    /// What the rows have in common; empty for those without an account.
    pub of: String,
    /// Set aside.
    pub reserved: Money,
    /// Spent, of what was set aside.
    pub captured: Money,
    /// Freed.
    pub released: Money,
    /// Spent besides.
    pub late: Money,
}

impl LedgerTotal {
    /// What is still set aside; negative where it was set aside outside of what was summed.
    pub fn open(&self) -> Option<Money> {
        self.reserved.checked_sub(self.captured)?.checked_sub(self.released)
    }

    /// All that is spent.
    pub fn spent(&self) -> Option<Money> {
        self.captured.checked_add(self.late)
    }
}

/// What is still set aside for a task that has ended: nobody knows whether its upstream charges for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMoney {
    /// The row that set it aside.
    pub sequence: i64,
    /// When that was.
    pub at: Timestamp,
    /// The task.
    pub task: TaskId,
    /// How much.
    pub amount: Money,
    /// Whose task it is.
    pub owner: OwnerId,
    /// The public model.
    pub model: String,
    /// The account of the last attempt, if the task is still there.
    pub account: Option<AccountName>,
}

/// What an operator has found out about held money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldVerdict {
    /// The upstream charges: the price of the last attempt is spent and the rest is freed.
    Capture,
    /// It does not: all of it is freed.
    Release,
}

/// What is known of an upstream's own id of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownWork {
    /// The task.
    pub task: TaskId,
    /// The state that it is in, by name.
    pub state: String,
    /// What the ledger has spent for that id, at any time.
    pub spent: Money,
    /// What is still set aside although the task has ended.
    pub held: Money,
}
