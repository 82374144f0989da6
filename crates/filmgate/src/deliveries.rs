//! `filmgate deliveries`: messages to clients' own servers; works on the store directly, also while a server runs.

use std::process::ExitCode;

use anyhow::Context as _;
use store::DeliveryState;

use crate::cli::{DeliveriesAction, DeliveriesOptions};
use crate::source;

pub(crate) async fn run(options: DeliveriesOptions) -> anyhow::Result<ExitCode> {
    let config = source::data_config(&options.data)?;
    let store = source::store(&config).await?;
    match options.action {
        DeliveriesAction::List { state, max } => {
            let state = DeliveryState::parse(&state).context("the states are waiting, delivered, dead")?;
            println!("{:<40}{:<38}{:>6}  {:<24}url", "id", "task", "tries", "last error");
            for delivery in store.deliveries(state, max).await? {
                let error = delivery.last_error.as_deref().unwrap_or("-");
                let (id, task, tries) = (&delivery.message.id, delivery.task.as_str(), delivery.tries);
                println!("{id:<40}{task:<38}{tries:>6}  {error:<24}{}", delivery.message.url);
            }
        }
        DeliveriesAction::Replay { id, all } => {
            anyhow::ensure!(id.is_some() != all, "give the id of a dead delivery, or --all");
            let count = store.replay_deliveries(id.as_deref()).await?;
            anyhow::ensure!(count > 0 || all, "no such dead delivery");
            println!("{count} will be tried again");
        }
    }
    Ok(ExitCode::SUCCESS)
}
