//! What the operator may change while the gateway runs: models, accounts, routes, keys and limits. It changes as a whole:
//! whoever looks at it sees all of one version, and keeps that for as long as needed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use domain::{Account, AccountName, NewAttempt, ProviderLimits};
use routing::{Catalogue, HealthSettings, Router};
use sha2::{Digest as _, Sha256};

use crate::Signer;
use crate::keys::Declared;

/// What [`Setup::queue_max`] is where nothing else is said.
const QUEUE_MAX: usize = 100_000;
/// Bytes of a digest in the version of an account.
const VERSION_BYTES: usize = 8;

/// One version of it. What it shows of itself has no secret.
#[derive(Debug)]
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
    /// Signs messages to clients' own servers.
    pub signer: Signer,
    /// When accounts are left alone.
    pub health: HealthSettings,
    /// Tasks that may wait for room at accounts; more are refused. At least 1.
    pub queue_max: usize,
}

/// The version that counts now, and the accounts of earlier ones that tasks still need. Cheap to clone; all clones change
/// together.
#[derive(Clone)]
pub struct CurrentSetup {
    versions: Arc<Versions>,
}

struct Versions {
    current: ArcSwap<Setup>,
    past: Mutex<Past>,
}

/// What was once current. Both hold no more than the versions that tasks were submitted with.
#[derive(Default)]
struct Past {
    /// Accounts that were changed or removed, by their versions.
    retired: HashMap<String, Arc<Account>>,
    /// Versions that nobody here has: those of a process before this one.
    lost: HashSet<String>,
}

impl CurrentSetup {
    /// Begins with that one.
    pub fn new(setup: Setup) -> Self {
        let versions = Versions { current: ArcSwap::from_pointee(setup), past: Mutex::default() };
        Self { versions: Arc::new(versions) }
    }

    /// The version that counts now.
    pub fn get(&self) -> Arc<Setup> {
        self.versions.current.load_full()
    }

    /// From now on `setup` counts. The version before it. Accounts that are changed or removed by it are kept for the tasks
    /// that were submitted with them.
    pub fn replace(&self, setup: Setup) -> Arc<Setup> {
        let mut past = self.past();
        let stays = |account: &Account| {
            setup.accounts.get(&account.name).is_some_and(|a| a.version == account.version)
        };
        // Before the swap, so that there is no moment at which an account is neither current nor retired.
        for account in self.get().accounts.values().filter(|account| !stays(account)) {
            past.retired.insert(account.version.clone(), Arc::clone(account));
        }
        past.retired.retain(|_, account| !stays(account));
        self.versions.current.swap(Arc::new(setup))
    }

    /// The account that an attempt was made with, whatever has become of it since. If nobody knows that version any more
    /// (its process has ended), the account that has its name and provider now.
    pub(crate) fn account(&self, attempt: &NewAttempt) -> Option<Arc<Account>> {
        let named = self.get().accounts.get(&attempt.account).cloned();
        let version = &attempt.account_version;
        let is_it = |account: &Arc<Account>| version.is_empty() || account.version == *version;
        if named.as_ref().is_some_and(is_it) || failpoints::removed("account_pinned") {
            return named;
        }
        let mut past = self.past();
        if let Some(retired) = past.retired.get(version) {
            return Some(Arc::clone(retired));
        }
        // What another provider's account is asked about this task would be nonsense to it.
        let named = named.filter(|account| account.provider == attempt.provider)?;
        if past.lost.insert(version.clone()) {
            tracing::warn!(
                account = %attempt.account,
                "tasks were submitted with an address or a credential that the account had before a restart; they are \
                 asked about with those that it has now"
            );
        }
        Some(named)
    }

    /// The accounts that were changed or removed and that tasks may still need.
    pub(crate) fn retired(&self) -> Vec<Arc<Account>> {
        self.past().retired.values().cloned().collect()
    }

    /// Versions that are remembered and that nobody holds at this moment. A submission holds its account until it is stored,
    /// so the store knows all tasks of these.
    pub(crate) fn idle_versions(&self) -> Vec<String> {
        let past = self.past();
        let retired = past.retired.iter().filter(|(_, account)| Arc::strong_count(account) == 1);
        retired.map(|(version, _)| version).chain(&past.lost).cloned().collect()
    }

    /// Forgets those of `idle` with which no task is under way any more.
    pub(crate) fn forget(&self, idle: &[String], in_use: &HashSet<String>) {
        let mut past = self.past();
        for version in idle.iter().filter(|version| !in_use.contains(*version)) {
            past.retired.remove(version);
            past.lost.remove(version);
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.versions.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Setup {
    /// One with these accounts, each of which gets its version, and nothing else.
    pub fn new(catalogue: Catalogue, router: Router, accounts: impl IntoIterator<Item = Account>) -> Self {
        let accounts = accounts.into_iter().map(|account| {
            let version = version(&account);
            (account.name.clone(), Arc::new(Account { version, ..account }))
        });
        Self {
            catalogue,
            router,
            accounts: accounts.collect(),
            providers: HashMap::new(),
            keys: Declared::default(),
            signer: Signer::default(),
            health: HealthSettings::default(),
            queue_max: QUEUE_MAX,
        }
    }

    /// The limits of all accounts of that provider together.
    pub(crate) fn provider(&self, name: &str) -> ProviderLimits {
        self.providers.get(name).copied().unwrap_or_default()
    }
}

/// Tells `account` with its address and its credential from all others. A part of a digest, which shows neither.
fn version(account: &Account) -> String {
    let parts = [account.name.as_str(), &account.provider, &account.base_url, account.credential.expose()];
    let mut digest = Sha256::new();
    for part in parts {
        // With its length, so that no two accounts differ only in where one part ends.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(VERSION_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
