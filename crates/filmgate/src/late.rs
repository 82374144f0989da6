//! `filmgate late`: results that came after the end of their tasks; works on the store directly, also while a server runs.

use std::process::ExitCode;

use config::Config;

use crate::cli::{LateAction, LateOptions};
use crate::{serve, source};

pub(crate) async fn run(options: LateOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let store = source::store(&config).await?;
    let LateAction::List { max } = options.action;
    let base_url = base_url(&config);
    println!("{:<38}{:<44}{:<24}{:<20}{:>14}  files", "task", "key", "model", "account", "amount");
    for late in store.late_results(max).await? {
        let files: Vec<String> = late.outputs.iter().map(|output| output.url(&base_url)).collect();
        let (task, owner, account) = (late.task.as_str(), late.owner.as_str(), late.account.as_str());
        // An amount pads as text only.
        let (amount, files) = (late.amount.to_string(), files.join(" "));
        println!("{task:<38}{owner:<44}{:<24}{account:<20}{amount:>14}  {files}", late.model);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where clients reach the gateway; without a config that says it, the server that runs or ran last.
fn base_url(config: &Config) -> String {
    let configured = config.server.public_url.clone();
    configured.or_else(|| serve::served_url(config).ok()).unwrap_or_default()
}
