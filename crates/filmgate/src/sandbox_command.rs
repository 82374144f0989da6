//! `filmgate sandbox`: the sandbox alone.

use std::process::ExitCode;

use anyhow::Context as _;
use sandbox::{Faults, Sandbox};

use crate::cli::SandboxOptions;
use crate::serve::stop_signal;

pub(crate) async fn run(options: SandboxOptions) -> anyhow::Result<ExitCode> {
    telemetry::log(telemetry::Format::Text, "warn", None)?;
    let faults: Faults = options.fault.parse().context("--fault")?;
    let mut settings = sandbox::Settings::new(options.listen, options.data);
    settings.faults = faults;
    settings.key = options.key;
    settings.generation = options.generation;
    let stop = stop_signal()?;
    let sandbox = Sandbox::start(settings).await?;
    println!("sandbox on http://{}", sandbox.addr());
    stop.await;
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}
