//! The checked configuration: what the other crates' settings are made from.

use std::path::PathBuf;

use domain::{Account, AccountName, Credential, ModelSpec};

use crate::sections::{Callbacks, DefaultModels, Egress, Limits, Log, Sandbox, Server, Store, Tasks};

/// A configuration in which everything fits together. Its default is that of an empty file.
#[derive(Debug, Clone)]
pub struct Config {
    /// How clients reach the gateway.
    pub server: Server,
    /// The directory that keeps tasks, keys and results.
    pub data_dir: PathBuf,
    /// The embedded store.
    pub store: Store,
    /// The life of a task.
    pub tasks: Tasks,
    /// What one client key may do, unless it says otherwise.
    pub limits: Limits,
    /// Whom the gateway calls; each entry is a block of addresses.
    pub egress: Egress,
    /// Messages to clients' own servers.
    pub callbacks: Callbacks,
    /// The secrets that `callbacks` names, in the same order.
    pub callback_secrets: Vec<Credential>,
    /// Client keys that the file declares; no two have the same name or secret.
    pub keys: Vec<ClientKey>,
    /// The model of a request that names none; each is known.
    pub default_models: DefaultModels,
    /// Public models besides the built-in ones; no two have the same name.
    pub models: Vec<ModelSpec>,
    /// Accounts; no two have the same name. Those of the embedded sandbox are not among them.
    pub accounts: Vec<Account>,
    /// At most one for each model; each account is among `accounts` or of the embedded sandbox.
    pub routes: Vec<Route>,
    /// What is logged, and how.
    pub log: Log,
    /// The embedded sandbox.
    pub sandbox: Sandbox,
}

/// A client key that the file declares.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// What logs and tasks call its owner.
    pub name: String,
    /// The key itself.
    pub secret: Credential,
    /// Requests a minute, at least 1.
    pub requests_per_minute: u32,
    /// Tasks at one time, at least 1.
    pub concurrent_tasks: u32,
    /// The API that its requests are taken for where several claim the same path; it is known.
    pub dialect: Option<String>,
}

/// The accounts of one model, in the order in which they are tried; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The public name of the model.
    pub model: String,
    /// The accounts.
    pub hops: Vec<Hop>,
}

/// One account of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The account.
    pub account: AccountName,
    /// The provider's own name of the model; absent if it is the usual one.
    pub upstream_model: Option<String>,
}
