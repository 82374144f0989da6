//! `filmgate ledger held` and `filmgate ledger settle`.

use std::process::ExitCode;

use anyhow::Context as _;
use domain::{AccountName, TaskId};
use store::{HeldVerdict, Store};
use translation::rfc3339;

use super::PAGE;
use super::options::SettleOptions;

pub(super) async fn list(store: &dyn Store, currency: &str) -> anyhow::Result<ExitCode> {
    println!("{:<38}{:<26}{:>16}  {:<20}{:<20}owner", "task", "since", currency, "account", "model");
    let mut after = 0;
    loop {
        let page = store.held_money((after, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = last.sequence;
        for held in page {
            let account = held.account.as_ref().map_or("-", AccountName::as_str);
            let (since, amount) = (rfc3339::text(held.at), held.amount.to_string());
            println!(
                "{:<38}{since:<26}{amount:>16}  {account:<20}{:<20}{}",
                held.task.as_str(),
                held.model,
                held.owner
            );
        }
    }
}

pub(super) async fn settle(
    store: &dyn Store,
    options: &SettleOptions,
    currency: &str,
) -> anyhow::Result<ExitCode> {
    let verdict = if options.verdict.capture { HeldVerdict::Capture } else { HeldVerdict::Release };
    let settled = store.settle_held(&TaskId::new(&options.task), verdict).await?;
    let settled = settled.context("nothing is set aside for an ended task of that id")?;
    println!("captured {} and released {} {currency}", settled.captured, settled.released);
    Ok(ExitCode::SUCCESS)
}
