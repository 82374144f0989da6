//! `filmgate check` and `filmgate schema`.

use std::process::ExitCode;

use crate::cli::ConfigOptions;
use crate::{setup, source};

/// Prints every problem of the config, each with its place; fails if there is any.
pub(crate) fn run(options: &ConfigOptions) -> anyhow::Result<ExitCode> {
    let Some(path) = &options.config else {
        println!("no config file given: the embedded defaults are in order");
        return Ok(ExitCode::SUCCESS);
    };
    match source::load(path) {
        Ok(config) => {
            // What only the providers' registry can tell.
            if let Err(error) = setup::build(&config, config.sandbox.embed.then_some(setup::SANDBOX_URL)) {
                println!("{}: {error:#}", path.display());
                return Ok(ExitCode::FAILURE);
            }
            let (accounts, routes) = (config.accounts.len(), config.routes.len());
            for note in &config.notes {
                println!("note: {note}");
            }
            println!("{}: in order ({accounts} accounts, {routes} routes)", path.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            println!("{problems}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Prints the JSON Schema of the config file.
pub(crate) fn schema() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&config::schema())?);
    Ok(ExitCode::SUCCESS)
}
