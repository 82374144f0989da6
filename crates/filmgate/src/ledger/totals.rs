//! `filmgate ledger totals`.

use std::process::ExitCode;

use anyhow::Context as _;
use domain::Money;
use serde::Serialize;
use store::{LedgerTotal, Store};

use super::options::TotalsOptions;
use super::output::Rows;

const COLUMNS: [&str; 8] =
    ["of", "reserved", "captured", "released", "open", "late_adjustments", "spent", "currency"];

/// The fields are those of [`COLUMNS`], in that order.
#[derive(Serialize)]
struct Line<'a> {
    of: &'a str,
    reserved: Money,
    captured: Money,
    released: Money,
    open: Money,
    late_adjustments: Money,
    spent: Money,
    currency: &'a str,
}

pub(super) async fn run(
    store: &dyn Store,
    options: &TotalsOptions,
    currency: &str,
) -> anyhow::Result<ExitCode> {
    let totals = store.ledger_totals(options.by.into(), options.span.span()).await?;
    let Some(format) = options.format else {
        print(&totals, currency)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut rows = Rows::open(format, None, &COLUMNS)?;
    for total in &totals {
        rows.write(&line(total, currency)?)?;
    }
    rows.close()?;
    Ok(ExitCode::SUCCESS)
}

fn line<'a>(total: &'a LedgerTotal, currency: &'a str) -> anyhow::Result<Line<'a>> {
    Ok(Line {
        of: &total.of,
        reserved: total.reserved,
        captured: total.captured,
        released: total.released,
        open: total.open().context(TOO_MUCH)?,
        late_adjustments: total.late,
        spent: total.spent().context(TOO_MUCH)?,
        currency,
    })
}

fn print(totals: &[LedgerTotal], currency: &str) -> anyhow::Result<()> {
    let mut sum = LedgerTotal { of: format!("sum, {currency}"), ..LedgerTotal::default() };
    println!(
        "{:<40}{:>16}{:>16}{:>16}{:>16}{:>16}{:>16}",
        "", "reserved", "captured", "released", "open", "late", "spent"
    );
    for total in totals {
        let name = if total.of.is_empty() { "(no account)" } else { &total.of };
        show(name, total)?;
        for (sum, part) in [
            (&mut sum.reserved, total.reserved),
            (&mut sum.captured, total.captured),
            (&mut sum.released, total.released),
            (&mut sum.late, total.late),
        ] {
            *sum = sum.checked_add(part).context(TOO_MUCH)?;
        }
    }
    show(&sum.of, &sum)
}

const TOO_MUCH: &str = "the sums are beyond what an amount can be";

fn show(name: &str, total: &LedgerTotal) -> anyhow::Result<()> {
    let (open, spent) = (total.open().context(TOO_MUCH)?, total.spent().context(TOO_MUCH)?);
    let amounts = [total.reserved, total.captured, total.released, open, total.late, spent];
    let cells: String = amounts.iter().map(|amount| format!("{:>16}", amount.to_string())).collect();
    println!("{name:<40}{cells}");
    Ok(())
}
