//! The checked configuration: what the other crates' settings are made from.

use std::path::PathBuf;

use domain::{Account, AccountName, Credential, ModelSpec, Money, PriceList};

use crate::sections::{
    Callbacks, DefaultModels, Egress, Ledger, Limits, Log, Retention, Sandbox, Server, Store, Tasks,
};

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
    /// How long things are kept.
    pub retention: Retention,
    /// What one client key may do, unless it says otherwise.
    pub limits: Limits,
    /// How money is counted.
    pub ledger: Ledger,
    /// Whom the gateway calls; each entry is a block of addresses.
    pub egress: Egress,
    /// Messages to clients' own servers.
    pub callbacks: Callbacks,
    /// The secrets that `callbacks` names, in the same order.
    pub callback_secrets: Vec<Credential>,
    /// The operator's own key.
    pub admin_key: Option<Credential>,
    /// Client keys that the file declares; no two have the same name or secret.
    pub keys: Vec<ClientKey>,
    /// The model of a request that names none; each is known.
    pub default_models: DefaultModels,
    /// Public models besides the built-in ones; no two have the same name.
    pub models: Vec<ModelSpec>,
    /// Accounts; no two have the same name. Those of the embedded sandbox are not among them.
    pub accounts: Vec<Account>,
    /// What models cost at accounts; at most one for each.
    pub prices: Vec<AccountPrice>,
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
    /// What its tasks may cost in all; absent if there is no bound.
    pub budget: Option<Money>,
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
    /// What it costs; absent if its account says, or nobody counts.
    pub price: Option<PriceList>,
}

/// What a model costs at an account, where a route does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPrice {
    /// The account.
    pub account: AccountName,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// What it costs.
    pub price: PriceList,
}
