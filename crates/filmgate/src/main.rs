//! The binary: the command line and the wiring of the crates. No logic of the gateway lives here.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod check;
mod cli;
mod deliveries;
mod describe;
mod embedded;
mod explain;
mod generate;
mod keys;
mod late;
mod ledger;
mod limiter;
mod migrate;
mod observing;
mod quarantine;
mod reload;
mod sandbox_command;
mod serve;
mod setup;
mod source;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    if let Err(error) = failpoints::check() {
        eprintln!("filmgate: {error}");
        return ExitCode::from(2);
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("filmgate: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or_default() {
        Command::Serve(options) => serve::run(&options).await,
        Command::Generate(options) => generate::run(options).await,
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Keys(options) => keys::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Deliveries(options) => deliveries::run(options).await,
        Command::Late(options) => late::run(options).await,
        Command::Quarantine(options) => quarantine::run(options).await,
        Command::Ledger(options) => ledger::run(options).await,
        Command::Sandbox(options) => sandbox_command::run(options).await,
        Command::Schema => check::schema(),
        Command::Openapi { api } => describe::run(api),
    }
}
