//! The checked configuration: what the other crates' settings are made from.

use std::path::PathBuf;

use domain::{
    Access, Account, AccountName, AdminScopes, ClientLimits, Credential, ModelPatch, Money, PriceList,
    ProviderLimits, Strategy,
};

use crate::problem::Problem;
use crate::sections::{
    Callbacks, DefaultModels, Egress, Health, Ledger, Limits, Log, Reload, Retention, Sandbox, Server, Store,
    Tasks, Traces,
};

/// A configuration in which everything fits together. Its default is that of an empty file.
#[derive(Debug, Clone)]
pub struct Config {
    /// How clients reach the gateway.
    pub server: Server,
    /// The directory that keeps tasks, keys and results.
    pub data_dir: PathBuf,
    /// The directory that keeps inputs and results; absent if it is that of `assets` in `data_dir`.
    pub media_dir: Option<PathBuf>,
    /// The store.
    pub store: Store,
    /// The URL that `store.postgres` names; it may hold a password.
    pub postgres_url: Option<Credential>,
    /// The life of a task.
    pub tasks: Tasks,
    /// How long things are kept.
    pub retention: Retention,
    /// What one client key may do, unless it says otherwise.
    pub limits: Limits,
    /// The URL that `limits.shared` names; it may hold a password.
    pub shared_limits_url: Option<Credential>,
    /// When accounts are left alone.
    pub health: Health,
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
    /// Keys of the operator's API that may do less; no two have the same name or secret.
    pub admin_keys: Vec<OperatorKey>,
    /// What the addresses are made from that providers are told.
    pub callback_key: Option<Credential>,
    /// Client keys that the file declares; no two have the same name or secret.
    pub keys: Vec<ClientKey>,
    /// The model of a request that names none; each is known.
    pub default_models: DefaultModels,
    /// Public models besides the built-in ones, and what is changed of those; no two have the same name.
    pub models: Vec<ModelPatch>,
    /// Accounts; no two have the same name. Those of the embedded sandbox are not among them.
    pub accounts: Vec<Account>,
    /// Limits of all accounts of a provider together; at most one for each.
    pub providers: Vec<ProviderBound>,
    /// At most one for each model; each account is among `accounts` or of the embedded sandbox.
    pub routes: Vec<Route>,
    /// How changes of the file are noticed.
    pub reload: Reload,
    /// What is logged, and how.
    pub log: Log,
    /// Where traces go.
    pub traces: Traces,
    /// The headers that `traces` names, with their secrets; each name is that of a header.
    pub trace_headers: Vec<(String, Credential)>,
    /// What is right and may surprise.
    pub notes: Vec<Problem>,
    /// The embedded sandbox.
    pub sandbox: Sandbox,
}

/// A key of the operator's API.
#[derive(Debug, Clone)]
pub struct OperatorKey {
    /// What the log calls whoever uses it.
    pub name: String,
    /// The key itself.
    pub secret: Credential,
    /// What it may do.
    pub scopes: AdminScopes,
}

/// A client key that the file declares.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// What logs and tasks call its owner.
    pub name: String,
    /// The key itself.
    pub secret: Credential,
    /// What it may use.
    pub limits: ClientLimits,
    /// Which models and accounts it may use; each exists.
    pub access: Access,
    /// The API that its requests are taken for where several claim the same path; it is known.
    pub dialect: Option<String>,
}

/// The limits of all accounts of one provider together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderBound {
    /// The registry name of the provider; it is known.
    pub provider: String,
    /// The limits.
    pub limits: ProviderLimits,
}

/// The accounts of one model, as listed; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The public name of the model.
    pub model: String,
    /// The order in which accounts of one tier are tried.
    pub strategy: Strategy,
    /// What one task may cost at most; absent if there is no bound.
    pub price_max: Option<Money>,
    /// Submits of one task, at least 1; absent if only the bound of all tasks holds.
    pub attempts_max: Option<u32>,
    /// Whether another account is asked when one refuses the content of a request.
    pub policy_failover: bool,
    /// The accounts.
    pub hops: Vec<Hop>,
}

/// One account of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The account.
    pub account: AccountName,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// What it costs; absent if nobody counts. Either all hops of a route have a price or none.
    pub price: Option<PriceList>,
    /// The lowest is tried first.
    pub tier: u32,
    /// Its share among its tier, at least 1.
    pub weight: u32,
}
