//! The store that serves, on SQLite or PostgreSQL, and the key that all on it share.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use config::Config;
use store::{SqliteSettings, SqliteStore, Store};
use tasks::HintSettings;

use crate::source;

/// The name of the key that addresses for upstreams are made with.
const CALLBACK_KEY: &str = "callback.key";

/// The store that serves, and how upstreams may call if they can reach this gateway.
pub(super) async fn open_store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, Option<HintSettings>)> {
    if let Some(settings) = source::postgres(config) {
        let store = source::open_postgres(settings).await?;
        let hints = match hints_of_config(config) {
            Hints::Settled(hints) => hints,
            // All gateways on the database must understand what upstreams were told by any of them.
            Hints::WithKey(public_url) => {
                let fresh = tasks::random_key().map_err(anyhow::Error::msg)?;
                let key = store.shared_secret(CALLBACK_KEY, fresh).await.context("sharing a key")?;
                Some(HintSettings { public_url, key })
            }
        };
        return Ok((Arc::new(store), hints));
    }
    let store = SqliteStore::open_exclusive(source::store_path(config), store_settings(config))
        .with_context(|| format!("opening the store in {}", config.data_dir.display()))?;
    let hints = match hints_of_config(config) {
        Hints::Settled(hints) => hints,
        Hints::WithKey(public_url) => Some(HintSettings { public_url, key: kept_key(config)? }),
    };
    Ok((Arc::new(store), hints))
}

/// How upstreams may call, as far as the config says it.
enum Hints {
    /// All of it.
    Settled(Option<HintSettings>),
    /// By this URL, and with a key of its own that is made at the first start.
    WithKey(String),
}

fn hints_of_config(config: &Config) -> Hints {
    let public_url = config.server.public_url.clone().filter(|_| config.server.upstream_callbacks);
    match (public_url, &config.callback_key) {
        (None, _) => Hints::Settled(None),
        (Some(public_url), Some(secret)) => {
            Hints::Settled(Some(HintSettings { public_url, key: HintSettings::key_of(secret) }))
        }
        (Some(public_url), None) => Hints::WithKey(public_url),
    }
}

/// The key in the data directory, which is made at the first start.
fn kept_key(config: &Config) -> anyhow::Result<[u8; 32]> {
    let path = config.data_dir.join(CALLBACK_KEY);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().ok().with_context(|| format!("{} is no key", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&path),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn make_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    let key = tasks::random_key().map_err(anyhow::Error::msg)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("making {}", path.display()))?;
    std::io::Write::write_all(&mut file, &key)?;
    file.sync_all()?;
    Ok(key)
}

fn store_settings(config: &Config) -> SqliteSettings {
    SqliteSettings {
        writes_waiting_max: config.store.queue_max,
        accepts_waiting_max: config.store.queue_max / 2,
        batch_max: config.store.batch_max,
        wal_bytes_max: config.store.wal_bytes_max,
        ..SqliteSettings::default()
    }
}
