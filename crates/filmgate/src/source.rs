//! From command line options to a configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use config::{Config, Environment, Known, Problems};
use domain::ModelSpec;
use routing::Catalogue;
use store::{PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Store};

use crate::cli::{ConfigOptions, DataOptions, ServeOptions};
use crate::reload::{Inputs, Recorder};

/// The store's file inside the data directory.
const STORE_FILE: &str = "filmgate.db";

/// A configuration, with what the files held that it was read from; or every problem of it.
pub(crate) struct Read {
    pub(crate) config: Result<Config, Problems>,
    pub(crate) inputs: Inputs,
}

/// Reads and checks the config file, or takes the embedded defaults, which route every model to the sandbox.
fn read(options: &ConfigOptions) -> Read {
    let Some(path) = &options.config else {
        let mut config = Config::default();
        config.sandbox.embed = true;
        return Read { config: Ok(config), inputs: Inputs::default() };
    };
    let recorder = Recorder::default();
    let config = load_in(path, &recorder);
    Read { config, inputs: recorder.inputs() }
}

/// Reads and checks a config file of that environment.
pub(crate) fn load_in(path: &Path, environment: &dyn Environment) -> Result<Config, Problems> {
    let catalogue = Catalogue::builtin();
    let models: Vec<&ModelSpec> = catalogue.iter().collect();
    let providers: Vec<&str> = translation::PROVIDERS.iter().map(|provider| provider.name()).collect();
    let dialects: Vec<&str> = translation::DIALECTS.iter().map(|dialect| dialect.name()).collect();
    let upstream_model = |provider: &str, model: &str| translation::provider(provider)?.upstream_model(model);
    let known = Known { providers: &providers, dialects: &dialects, models: &models, upstream_model };
    config::load_in(path, &known, environment)
}

/// Reads and checks a config file.
pub(crate) fn load(path: &Path) -> Result<Config, Problems> {
    read(&ConfigOptions { config: Some(path.to_owned()) }).config
}

/// The configuration of a server: the file's, changed by the command line. Blocks.
pub(crate) fn server(options: &ServeOptions) -> Read {
    let mut read = read(&options.data.config);
    if let Ok(config) = &mut read.config {
        in_directory(config, &options.data);
        config.server.listen = options.listen.unwrap_or(config.server.listen);
        config.server.admin_listen = options.admin_listen.unwrap_or(config.server.admin_listen);
    }
    read
}

/// What to say of a configuration that a command cannot do without.
pub(crate) fn unusable(problems: &Problems) -> anyhow::Error {
    anyhow!("the config cannot be used:\n{problems}")
}

/// The configuration with the data directory of the command line, if that names one.
pub(crate) fn data_config(options: &DataOptions) -> anyhow::Result<Config> {
    let mut config = read(&options.config).config.map_err(|problems| unusable(&problems))?;
    in_directory(&mut config, options);
    Ok(config)
}

fn in_directory(config: &mut Config, options: &DataOptions) {
    if let Some(data) = &options.data {
        config.data_dir.clone_from(data);
    }
}

/// The store's file.
pub(crate) fn store_path(config: &Config) -> PathBuf {
    config.data_dir.join(STORE_FILE)
}

/// The store that `config` names, beside whoever else uses it: for the command line. Its directory is made if it is not
/// there.
pub(crate) async fn store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(settings) = postgres(config) {
        return Ok(Arc::new(open_postgres(settings).await?));
    }
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("making {}", config.data_dir.display()))?;
    Ok(Arc::new(SqliteStore::open(store_path(config), SqliteSettings::default())?))
}

/// Opens the store on PostgreSQL.
pub(crate) async fn open_postgres(settings: PostgresSettings) -> anyhow::Result<PostgresStore> {
    PostgresStore::open(settings).await.context("opening the store on PostgreSQL")
}

/// How the store on PostgreSQL is reached, if the config has one.
pub(crate) fn postgres(config: &Config) -> Option<PostgresSettings> {
    let (section, url) = (config.store.postgres.as_ref()?, config.postgres_url.clone()?);
    Some(PostgresSettings {
        ca_file: section.ca_file.clone(),
        connections_max: section.connections_max,
        connect_timeout: section.connect_timeout,
        statement_timeout: section.statement_timeout,
        migrate_at_start: section.migrate_at_start,
        accepts_waiting_max: config.store.queue_max / 2,
        batch_max: config.store.batch_max,
        ..PostgresSettings::new(url)
    })
}

/// Logs what is right in the config and may surprise.
pub(crate) fn tell_notes(config: &Config) {
    for note in &config.notes {
        tracing::warn!("in the config: {note}");
    }
}
