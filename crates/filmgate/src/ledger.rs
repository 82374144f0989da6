//! `filmgate ledger`: what was set aside, spent and freed; works on the store directly, also while a server runs.

mod bill;
mod export;
mod held;
mod options;
mod output;
mod reconcile;
mod totals;

use std::process::ExitCode;

use crate::source;

pub(crate) use options::LedgerOptions;

use options::LedgerAction;

/// Rows that are read at one time.
const PAGE: usize = 1000;

pub(crate) async fn run(options: LedgerOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let store = source::store(&config).await?;
    let currency = config.ledger.currency.as_str();
    match options.action {
        LedgerAction::Export(options) => export::run(&*store, &options, currency).await,
        LedgerAction::Totals(options) => totals::run(&*store, &options, currency).await,
        LedgerAction::Reconcile(options) => reconcile::run(&*store, &options, currency).await,
        LedgerAction::Held => held::list(&*store, currency).await,
        LedgerAction::Settle(options) => held::settle(&*store, &options, currency).await,
    }
}
