//! From command line options to a configuration.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use config::{Config, Known};
use domain::ModelSpec;
use routing::Catalogue;

use crate::cli::{ConfigOptions, DataOptions, ServeOptions};

/// The store's file inside the data directory.
const STORE_FILE: &str = "filmgate.db";

/// Reads and checks the config file, or takes the embedded defaults, which route every model to the sandbox.
pub(crate) fn config(options: &ConfigOptions) -> anyhow::Result<Config> {
    let Some(path) = &options.config else {
        let mut config = Config::default();
        config.sandbox.embed = true;
        return Ok(config);
    };
    load(path).map_err(|problems| anyhow!("the config cannot be used:\n{problems}"))
}

/// Reads and checks a config file.
pub(crate) fn load(path: &Path) -> Result<Config, config::Problems> {
    let catalogue = Catalogue::builtin();
    let models: Vec<&ModelSpec> = catalogue.iter().collect();
    let providers: Vec<&str> = translation::PROVIDERS.iter().map(|provider| provider.name()).collect();
    let dialects: Vec<&str> = translation::DIALECTS.iter().map(|dialect| dialect.name()).collect();
    let upstream_model = |provider: &str, model: &str| translation::provider(provider)?.upstream_model(model);
    config::load(path, &Known { providers: &providers, dialects: &dialects, models: &models, upstream_model })
}

/// The configuration of a server: the file's, changed by the command line.
pub(crate) fn server_config(options: &ServeOptions) -> anyhow::Result<Config> {
    let mut config = data_config(&options.data)?;
    config.server.listen = options.listen.unwrap_or(config.server.listen);
    config.server.admin_listen = options.admin_listen.unwrap_or(config.server.admin_listen);
    Ok(config)
}

/// The configuration with the data directory of the command line, if that names one.
pub(crate) fn data_config(options: &DataOptions) -> anyhow::Result<Config> {
    let mut config = config(&options.config)?;
    if let Some(data) = &options.data {
        config.data_dir.clone_from(data);
    }
    Ok(config)
}

/// The store's file.
pub(crate) fn store_path(config: &Config) -> PathBuf {
    config.data_dir.join(STORE_FILE)
}
