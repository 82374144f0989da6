//! Rows of the ledger to be, made alike for every back end.

use domain::{AttemptOutcome, Money, Settlement, Task};

use crate::HeldMoney;

/// A row to be.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) task: String,
    pub(crate) kind: &'static str,
    pub(crate) amount: Money,
    pub(crate) owner: String,
    pub(crate) model: String,
    pub(crate) account: Option<String>,
    pub(crate) handle: Option<String>,
}

impl Entry {
    /// By how many billionths it changes what its owner has set aside or spent.
    pub(crate) fn commits(&self) -> i64 {
        match self.kind {
            "release" => -self.amount.billionths(),
            "late_adjustment" => self.amount.billionths(),
            _ => 0, // what is set aside was counted when the slot was taken, and what is spent comes out of it
        }
    }
}

/// What was heard of an upstream after the end of its task, in money.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    paid: Entry,
    release: Entry,
}

impl Late {
    /// It charges that price for the work of that handle.
    pub(crate) fn charged(task: &Task, price: Money, handle: &str) -> Self {
        let paid = Entry { handle: Some(handle.to_owned()), ..paid(task, "capture", price) };
        Self { paid, release: entry(task, "release", Money::ZERO) }
    }

    /// It charges nothing.
    pub(crate) fn free_of_charge(task: &Task) -> Self {
        Self { paid: paid(task, "capture", Money::ZERO), release: entry(task, "release", Money::ZERO) }
    }
}

impl Late {
    /// The task.
    pub(crate) fn task(&self) -> &str {
        &self.release.task
    }

    /// Settles what is still `reserved` for the task. If that was freed, what is charged is added as an adjustment: a task's
    /// reserve is always the sum of its capture and its release.
    pub(crate) fn entries(self, reserved: Money) -> Vec<Entry> {
        let Self { paid, release } = self;
        if reserved > Money::ZERO {
            let Settlement { captured, released } = Settlement::capture(reserved, paid.amount);
            without_nothing([Entry { amount: captured, ..paid }, Entry { amount: released, ..release }])
        } else {
            without_nothing([Entry { kind: "late_adjustment", ..paid }])
        }
    }
}

/// What is set aside for a new task; nothing if it is free.
pub(crate) fn reserve(task: &Task) -> Option<Entry> {
    let reserved = task.quote.reserved;
    (reserved > Money::ZERO).then(|| entry(task, "reserve", reserved))
}

/// What the end of a task spends and frees; nothing of what it does not.
pub(crate) fn end(task: &Task, settlement: Settlement) -> Vec<Entry> {
    let Settlement { captured, released } = settlement;
    let capture = Entry { handle: handle(task), ..paid(task, "capture", captured) };
    without_nothing([capture, entry(task, "release", released)])
}

/// The same for a task that has ended before with its money still set aside, and may be gone.
pub(crate) fn settle_held(held: &HeldMoney, settlement: Settlement) -> Vec<Entry> {
    let entry = |kind, amount, account| Entry {
        task: held.task.as_str().to_owned(),
        kind,
        amount,
        owner: held.owner.as_str().to_owned(),
        model: held.model.clone(),
        account,
        handle: None,
    };
    let account = held.account.as_ref().map(|account| account.as_str().to_owned());
    let Settlement { captured, released } = settlement;
    without_nothing([entry("capture", captured, account), entry("release", released, None)])
}

fn without_nothing<const N: usize>(entries: [Entry; N]) -> Vec<Entry> {
    entries.into_iter().filter(|entry| entry.amount > Money::ZERO).collect()
}

fn entry(task: &Task, kind: &'static str, amount: Money) -> Entry {
    Entry {
        task: task.id.as_str().to_owned(),
        kind,
        amount,
        owner: task.owner.as_str().to_owned(),
        model: task.request.model.clone(),
        account: None,
        handle: None,
    }
}

fn paid(task: &Task, kind: &'static str, amount: Money) -> Entry {
    let account = task.attempt().map(|attempt| attempt.plan.account.as_str().to_owned());
    Entry { account, ..entry(task, kind, amount) }
}

fn handle(task: &Task) -> Option<String> {
    match &task.attempt()?.outcome {
        AttemptOutcome::Accepted { handle, .. } if !handle.is_empty() => Some(handle.clone()),
        _ => None,
    }
}
