//! The command line of `filmgate ledger`, as it is written.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use domain::Timestamp;
use store::{LedgerBy, LedgerSpan};

use crate::cli::DataOptions;

#[derive(Debug, Args)]
pub(crate) struct LedgerOptions {
    #[command(subcommand)]
    pub(super) action: LedgerAction,
    #[command(flatten)]
    pub(super) data: DataOptions,
}

#[derive(Debug, Subcommand)]
pub(super) enum LedgerAction {
    /// Writes the rows of the ledger, oldest first.
    Export(ExportOptions),
    /// Sums the ledger.
    Totals(TotalsOptions),
    /// Compares the bill of a provider with what was spent there. Ends with 1 if they differ.
    Reconcile(ReconcileOptions),
    /// Lists what stays set aside for tasks of which nobody knows whether their provider charges for them.
    Held,
    /// Settles what stays set aside for one task.
    Settle(SettleOptions),
}

/// Which rows.
#[derive(Debug, Args)]
pub(super) struct SpanOptions {
    /// From this day or moment on: 2026-11-21, or 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = tasks::span_start)]
    from: Option<Timestamp>,
    /// To the end of this day, or to before this moment.
    #[arg(long, value_name = "DATE", value_parser = tasks::span_end)]
    to: Option<Timestamp>,
}

impl SpanOptions {
    pub(super) fn span(&self) -> LedgerSpan {
        LedgerSpan { from: self.from, to: self.to }
    }
}

#[derive(Debug, Args)]
pub(super) struct ExportOptions {
    #[command(flatten)]
    pub(super) span: SpanOptions,
    /// How rows are written.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: RowFormat,
    /// Where to; the terminal if absent.
    #[arg(long, value_name = "PATH")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TotalsOptions {
    /// What is summed: the tasks of a key, what an account is paid, the tasks of a model, a day in UTC.
    #[arg(long, value_enum, default_value_t)]
    pub(super) by: By,
    #[command(flatten)]
    pub(super) span: SpanOptions,
    /// How rows are written; as a table with a sum if absent.
    #[arg(long, value_enum)]
    pub(super) format: Option<RowFormat>,
}

#[derive(Debug, Args)]
pub(super) struct ReconcileOptions {
    /// The bill: CSV with a line of column names, and a line for each task.
    #[arg(long, value_name = "FILE")]
    pub(super) bill: PathBuf,
    /// The account that it is for.
    #[arg(long, value_name = "NAME")]
    pub(super) account: String,
    /// The column of the provider's own ids of tasks.
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    pub(super) id_column: String,
    /// The column of amounts, in the currency of the ledger.
    #[arg(long, value_name = "COLUMN", default_value = "amount")]
    pub(super) amount_column: String,
    /// The time that the bill is for. What it names besides is looked up whenever it was.
    #[command(flatten)]
    pub(super) span: SpanOptions,
    /// How differences are written.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: RowFormat,
}

#[derive(Debug, Args)]
pub(super) struct SettleOptions {
    /// The task, as `held` lists it.
    pub(super) task: String,
    #[command(flatten)]
    pub(super) verdict: VerdictOptions,
}

/// One of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct VerdictOptions {
    /// The provider charges for it: its price is spent, and the rest is freed.
    #[arg(long)]
    pub(super) capture: bool,
    /// The provider does not: all of it is freed.
    #[arg(long)]
    pub(super) release: bool,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum RowFormat {
    /// Comma-separated values, with a line of column names.
    #[default]
    Csv,
    /// A list of objects.
    Json,
}

/// What is summed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum By {
    #[default]
    Key,
    Account,
    Model,
    Day,
}

impl From<By> for LedgerBy {
    fn from(by: By) -> Self {
        match by {
            By::Key => Self::Owner,
            By::Account => Self::Account,
            By::Model => Self::Model,
            By::Day => Self::Day,
        }
    }
}
