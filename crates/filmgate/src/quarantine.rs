//! `filmgate quarantine`: tasks that crash the gateway; works on the store directly, also while a server runs.

use std::process::ExitCode;

use domain::TaskId;

use crate::cli::{QuarantineAction, QuarantineOptions};
use crate::source;

pub(crate) async fn run(options: QuarantineOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let store = source::store(&config).await?;
    match options.action {
        QuarantineAction::List { max } => {
            println!("{:<38}{:<44}{:<24}{:<12}{:>7}", "task", "key", "model", "state", "crashes");
            for listed in store.crashing(config.tasks.crashes_max, max).await? {
                let (task, owner) = (listed.task.as_str(), listed.owner.as_str());
                println!(
                    "{task:<38}{owner:<44}{:<24}{:<12}{:>7}",
                    listed.model, listed.state, listed.crashes
                );
            }
        }
        QuarantineAction::Release { task } => {
            anyhow::ensure!(store.pardon(&TaskId::new(&task)).await?, "no live task {task} has crashed");
            println!("{task} goes on");
        }
    }
    Ok(ExitCode::SUCCESS)
}
