//! The file as written. What is required is optional here, and asked for by [`crate::resolve`], so that a missing key is
//! one problem among others. The doc lines are the reference documentation.

mod accounts;
mod keys;
mod models;
mod routes;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sections::{
    Callbacks, DefaultModels, Egress, Health, Ledger, Limits, Log, Reload, Retention, Sandbox, Server, Store,
    Tasks, Traces,
};

pub(crate) use accounts::{AccountEntry, PollEntry, ProviderEntry};
pub(crate) use keys::{KeyEntry, PerModelEntry};
pub(crate) use models::{ImageEntry, ModelEntry};
pub(crate) use routes::{HopEntry, HopFields, RouteEntry};

/// The configuration of filmgate. Every key may be left out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "filmgate configuration")]
pub(crate) struct File {
    pub(crate) server: Server,
    /// The directory that keeps tasks, keys and results. Relative paths start at the working directory.
    pub(crate) data_dir: PathBuf,
    /// The directory that keeps inputs and results, "assets" in data_dir if absent. Gateways that share a store share it,
    /// too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/srv/filmgate/media"]))]
    pub(crate) media_dir: Option<PathBuf>,
    pub(crate) store: Store,
    pub(crate) tasks: Tasks,
    pub(crate) retention: Retention,
    pub(crate) limits: Limits,
    pub(crate) health: Health,
    pub(crate) ledger: Ledger,
    pub(crate) egress: Egress,
    pub(crate) callbacks: Callbacks,
    /// Client keys, besides those made with "filmgate keys create".
    pub(crate) keys: Vec<KeyEntry>,
    pub(crate) default_models: DefaultModels,
    /// Public models besides the built-in ones, and changes of those.
    pub(crate) models: Vec<ModelEntry>,
    /// Paid accesses to providers.
    pub(crate) accounts: Vec<AccountEntry>,
    /// Limits of all accounts of a provider together.
    pub(crate) providers: Vec<ProviderEntry>,
    /// Which accounts serve which model.
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) reload: Reload,
    pub(crate) log: Log,
    pub(crate) traces: Traces,
    pub(crate) sandbox: Sandbox,
}

impl Default for File {
    fn default() -> Self {
        Self {
            server: Server::default(),
            data_dir: PathBuf::from("./filmgate-data"),
            media_dir: None,
            store: Store::default(),
            tasks: Tasks::default(),
            retention: Retention::default(),
            limits: Limits::default(),
            health: Health::default(),
            ledger: Ledger::default(),
            egress: Egress::default(),
            callbacks: Callbacks::default(),
            keys: Vec::new(),
            default_models: DefaultModels::default(),
            models: Vec::new(),
            accounts: Vec::new(),
            providers: Vec::new(),
            routes: Vec::new(),
            reload: Reload::default(),
            log: Log::default(),
            traces: Traces::default(),
            sandbox: Sandbox::default(),
        }
    }
}
