//! `filmgate ledger export`.

use std::process::ExitCode;

use domain::Money;
use serde::Serialize;
use store::{LedgerRow, Store};
use translation::rfc3339;

use super::PAGE;
use super::options::ExportOptions;
use super::output::Rows;

/// Begins the owner of a key that the config declares.
const DECLARED: &str = "config:";
const COLUMNS: [&str; 11] =
    ["sequence", "time", "task", "kind", "amount", "currency", "owner", "key", "model", "account", "handle"];

/// The fields are those of [`COLUMNS`], in that order.
#[derive(Serialize)]
struct Line<'a> {
    sequence: i64,
    time: String,
    task: &'a str,
    kind: &'static str,
    amount: Money,
    currency: &'a str,
    owner: &'a str,
    key: Option<&'a str>,
    model: &'a str,
    account: Option<&'a str>,
    handle: Option<&'a str>,
}

/// Reads page by page, so that the ledger may be of any size.
pub(super) async fn run(
    store: &dyn Store,
    options: &ExportOptions,
    currency: &str,
) -> anyhow::Result<ExitCode> {
    let mut rows = Rows::open(options.format, options.out.as_deref(), &COLUMNS)?;
    let mut after = 0;
    loop {
        let page = store.ledger((after, PAGE), options.span.span(), None).await?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for row in &page {
            rows.write(&line(row, currency))?;
        }
    }
    rows.close()?;
    Ok(ExitCode::SUCCESS)
}

fn line<'a>(row: &'a LedgerRow, currency: &'a str) -> Line<'a> {
    Line {
        sequence: row.sequence,
        time: rfc3339::text(row.at),
        task: row.task.as_str(),
        kind: row.kind.as_str(),
        amount: row.amount,
        currency,
        owner: row.owner.as_str(),
        key: row.key_name.as_deref().or_else(|| row.owner.as_str().strip_prefix(DECLARED)),
        model: &row.model,
        account: row.account.as_ref().map(domain::AccountName::as_str),
        handle: row.handle.as_deref(),
    }
}
