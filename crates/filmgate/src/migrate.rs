//! `filmgate migrate`.

use std::process::ExitCode;

use anyhow::Context as _;
use store::PostgresStore;

use crate::cli::MigrateOptions;
use crate::source;

pub(crate) async fn run(options: MigrateOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let Some(settings) = source::postgres(&config) else {
        println!("the embedded store brings its schema up to date by itself when it is opened");
        return Ok(ExitCode::SUCCESS);
    };
    let changes = if options.check {
        PostgresStore::migrations_missing(&settings).await.context("reading the schema")?
    } else {
        PostgresStore::migrate(&settings).await.context("bringing the schema up to date")?
    };
    let verb = if options.check { "missing" } else { "applied" };
    for change in &changes {
        println!("{verb}: {change}");
    }
    if changes.is_empty() {
        println!("the schema is up to date");
    }
    let is_behind = options.check && !changes.is_empty();
    Ok(if is_behind { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
