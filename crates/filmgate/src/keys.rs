//! `filmgate keys`: works on the store directly, also while a server runs.

use std::process::ExitCode;

use config::Config;
use domain::OwnerId;
use tasks::{CurrentSetup, Keyring, NewKey};

use crate::cli::{KeysAction, KeysOptions};
use crate::{setup, source};

pub(crate) async fn run(options: KeysOptions) -> anyhow::Result<ExitCode> {
    let keyring = keyring(&source::data_config(&options.data)?).await?;
    match options.action {
        KeysAction::Create { name, requests_per_minute, concurrent_tasks, budget, dialect } => {
            let new = NewKey { name, requests_per_minute, concurrent_tasks, budget, dialect };
            let (secret, record) = keyring.create(new).await?;
            println!("{secret}");
            eprintln!("id {}; the key cannot be read again", record.owner);
        }
        KeysAction::List => list(&keyring).await?,
        KeysAction::Revoke { id } => {
            anyhow::ensure!(
                keyring.revoke(&OwnerId::new(id)).await?,
                "no such key, or it was revoked before"
            );
            println!("revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys of the store that `config` names; its directory is made if it is not there.
pub(crate) async fn keyring(config: &Config) -> anyhow::Result<Keyring> {
    let store = source::store(config).await?;
    let setup = setup::build(config, config.sandbox.embed.then_some(setup::SANDBOX_URL))?;
    Ok(Keyring::new(store, CurrentSetup::new(setup)))
}

async fn list(keyring: &Keyring) -> anyhow::Result<()> {
    println!("{:<38}{:<20}{:>12}{:>12}{:>16}  state", "id", "name", "requests/min", "tasks", "budget");
    for key in keyring.list().await? {
        let number =
            |limit: Option<u32>| limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
        let state = if key.revoked_at.is_some() { "revoked" } else { "live" };
        let (requests, tasks) = (number(key.requests_per_minute), number(key.concurrent_tasks));
        let budget = key.budget.map_or_else(|| "default".to_owned(), |budget| budget.to_string());
        let (id, name) = (key.owner.as_str(), key.name);
        println!("{id:<38}{name:<20}{requests:>12}{tasks:>12}{budget:>16}  {state}");
    }
    Ok(())
}
