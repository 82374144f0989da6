//! `filmgate ledger reconcile`: what a provider wants for each of its ids, against what the ledger has spent for it there.

use std::fs::File;
use std::process::ExitCode;

use anyhow::Context as _;
use domain::{AccountName, Money};
use serde::Serialize;
use store::{LedgerRow, Store};

use super::PAGE;
use super::bill::{Bill, Line};
use super::options::ReconcileOptions;
use super::output::Rows;

const COLUMNS: [&str; 7] = ["difference", "id", "task", "state", "billed", "booked", "currency"];

/// The fields are those of [`COLUMNS`], in that order.
#[derive(Debug, Serialize)]
struct Difference<'a> {
    difference: Kind,
    id: &'a str,
    task: Option<String>,
    /// That the task is in; absent where it does not matter.
    state: Option<String>,
    billed: Option<Money>,
    booked: Option<Money>,
    currency: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// The bill names an id for which nothing was spent.
    NotInLedger,
    /// The bill names an attempt of which nobody knew whether its provider took it; its money is still set aside.
    OutcomeUnknown,
    /// The bill names an id more than once.
    BilledTwice,
    /// The bill wants another amount than was spent.
    AmountsDiffer,
    /// Something was spent for an id that the bill does not name.
    NotOnBill,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    differences: u64,
    rows: u64,
    booked: Money,
    /// Of the rows, those without an id of the provider: it answered at once, and has no id.
    without_id: u64,
}

pub(super) async fn run(
    store: &dyn Store,
    options: &ReconcileOptions,
    currency: &str,
) -> anyhow::Result<ExitCode> {
    let account = AccountName::new(&options.account);
    let path = &options.bill;
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut bill = Bill::read(file, &options.id_column, &options.amount_column)
        .with_context(|| format!("reading {}", path.display()))?;
    let mut rows = Rows::open(options.format, None, &COLUMNS)?;
    let mut found = Found::default();
    let mut after = 0;
    loop {
        let page = store.ledger((after, PAGE), options.span.span(), Some(&account)).await?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for row in &page {
            if let Some(difference) = book(&mut bill, row, &mut found, currency)? {
                rows.write(&difference)?;
                found.differences += 1;
            }
        }
    }
    for (id, line) in bill.lines() {
        if let Some(difference) = judge(store, &account, (id, line), currency).await? {
            rows.write(&difference)?;
            found.differences += 1;
        }
    }
    rows.close()?;
    say(&found, &bill, currency)?;
    Ok(if found.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Notes a row of the ledger on the bill; a difference if the bill does not name it.
fn book<'a>(
    bill: &mut Bill,
    row: &'a LedgerRow,
    found: &mut Found,
    currency: &'a str,
) -> anyhow::Result<Option<Difference<'a>>> {
    found.rows += 1;
    found.booked = sum(found.booked, row.amount)?;
    let Some(id) = row.handle.as_deref() else {
        found.without_id += 1;
        return Ok(None);
    };
    if let Some(line) = bill.line_mut(id) {
        line.booked = sum(line.booked, row.amount)?;
        line.task = Some(row.task.to_string());
        return Ok(None);
    }
    Ok(Some(Difference {
        difference: Kind::NotOnBill,
        id,
        task: Some(row.task.to_string()),
        state: None,
        billed: None,
        booked: Some(row.amount),
        currency,
    }))
}

/// What is wrong with an id of the bill, if anything is.
async fn judge<'a>(
    store: &dyn Store,
    account: &AccountName,
    (id, line): (&'a str, &Line),
    currency: &'a str,
) -> anyhow::Result<Option<Difference<'a>>> {
    let mut difference = Difference {
        difference: Kind::NotInLedger,
        id,
        task: line.task.clone(),
        state: None,
        billed: Some(line.billed),
        booked: Some(line.booked),
        currency,
    };
    let mut held = Money::ZERO;
    if line.task.is_none() {
        // Not in the span: it may have been spent before or after, or not at all.
        let Some(work) = store.known_work(account, id).await? else { return Ok(Some(difference)) };
        held = work.held;
        difference.booked = Some(work.spent);
        difference.task = Some(work.task.to_string());
        difference.state = Some(work.state);
    }
    let booked = difference.booked.unwrap_or_default();
    Ok(kind(line, booked, held).map(|kind| Difference { difference: kind, ..difference }))
}

/// What is wrong with an id of the bill for which so much was spent and so much is still set aside.
fn kind(line: &Line, booked: Money, held: Money) -> Option<Kind> {
    match () {
        () if held > Money::ZERO => Some(Kind::OutcomeUnknown),
        () if line.times > 1 => Some(Kind::BilledTwice),
        () if line.billed == booked => None,
        () if booked == Money::ZERO => Some(Kind::NotInLedger),
        () => Some(Kind::AmountsDiffer),
    }
}

fn say(found: &Found, bill: &Bill, currency: &str) -> anyhow::Result<()> {
    let billed = bill.lines().try_fold(Money::ZERO, |all, (_, line)| sum(all, line.billed))?;
    let Found { differences, rows, booked, without_id } = found;
    let ids = bill.lines().count();
    eprintln!("billed: {billed} {currency} for {ids} ids; booked: {booked} {currency} in {rows} rows");
    if *without_id > 0 {
        eprintln!("{without_id} of the rows have no id of the provider and could not be compared");
    }
    eprintln!("differences: {differences}");
    Ok(())
}

fn sum(one: Money, other: Money) -> anyhow::Result<Money> {
    one.checked_add(other).context("the sum is beyond what an amount can be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let money = |text: &str| Money::parse(text).unwrap();
        for (billed, times, booked, held, expected) in [
            ("0.4", 1, "0.4", "0", None),
            ("0", 1, "0", "0", None),
            ("0.4", 1, "0", "0", Some(Kind::NotInLedger)),
            ("0.4", 1, "0", "1", Some(Kind::OutcomeUnknown)),
            ("0.8", 2, "0.4", "0", Some(Kind::BilledTwice)),
            ("0.8", 2, "0.8", "0", Some(Kind::BilledTwice)),
            ("0.400000001", 1, "0.4", "0", Some(Kind::AmountsDiffer)),
        ] {
            let line = Line { billed: money(billed), times, ..Line::default() };
            assert_eq!(kind(&line, money(booked), money(held)), expected, "{billed} {times} {booked} {held}");
        }
    }
}
