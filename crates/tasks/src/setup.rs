//! What the operator may change while the gateway runs: models, accounts, routes, keys and limits. It changes as a whole:
//! whoever looks at it sees all of one version, and keeps that for as long as needed.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::{Account, AccountName, ProviderLimits};
use routing::{Catalogue, HealthSettings, Router};

use crate::keys::Declared;

/// What [`Setup::queue_max`] is where nothing else is said.
const QUEUE_MAX: usize = 100_000;

/// One version of it.
pub struct Setup {
    /// The public models.
    pub catalogue: Catalogue,
    /// Which accounts serve them.
    pub router: Router,
    /// The accounts that routes may name.
    pub accounts: HashMap<AccountName, Arc<Account>>,
    /// Limits of all accounts of a provider together, by its name.
    pub providers: HashMap<String, ProviderLimits>,
    /// The client keys that the config declares.
    pub keys: Declared,
    /// When accounts are left alone.
    pub health: HealthSettings,
    /// Tasks that may wait for room at accounts; more are refused. At least 1.
    pub queue_max: usize,
}

/// The version that counts now. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct CurrentSetup {
    current: Arc<ArcSwap<Setup>>,
}

impl CurrentSetup {
    /// Begins with that one.
    pub fn new(setup: Setup) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(setup)) }
    }

    /// The version that counts now.
    pub fn get(&self) -> Arc<Setup> {
        self.current.load_full()
    }

    /// From now on `setup` counts. The version before it.
    pub fn replace(&self, setup: Setup) -> Arc<Setup> {
        self.current.swap(Arc::new(setup))
    }
}

impl Setup {
    /// One with these accounts, and nothing else.
    pub fn new(catalogue: Catalogue, router: Router, accounts: impl IntoIterator<Item = Account>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account.name.clone(), Arc::new(account)));
        Self {
            catalogue,
            router,
            accounts: accounts.collect(),
            providers: HashMap::new(),
            keys: Declared::default(),
            health: HealthSettings::default(),
            queue_max: QUEUE_MAX,
        }
    }

    /// The limits of all accounts of that provider together.
    pub(crate) fn provider(&self, name: &str) -> ProviderLimits {
        self.providers.get(name).copied().unwrap_or_default()
    }
}
