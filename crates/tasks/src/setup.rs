//! What the operator may change while the gateway runs: models, accounts, routes, keys and limits. It changes as a whole:
//! whoever looks at it sees all of one version, and keeps that for as long as needed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use domain::{Account, AccountName, NewAttempt, ProviderLimits};
use routing::{Catalogue, HealthSettings, Router};
use sha2::{Digest as _, Sha256};

use crate::keys::Declared;
use crate::{Operators, Signer};

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
    /// The credentials of the operator's API.
    pub operators: Operators,
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
    /// How many there were.
    revision: AtomicU64,
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
        let current = ArcSwap::from_pointee(setup);
        let versions = Versions { current, revision: AtomicU64::new(1), past: Mutex::default() };
        Self { versions: Arc::new(versions) }
    }

    /// The version that counts now.
    pub fn get(&self) -> Arc<Setup> {
        self.versions.current.load_full()
    }

    /// Counts the versions, from 1.
    pub fn revision(&self) -> u64 {
        self.versions.revision.load(Ordering::Relaxed)
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
        self.versions.revision.fetch_add(1, Ordering::Relaxed);
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
            operators: Operators::default(),
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

#[cfg(test)]
pub(crate) mod tests {
    use domain::{Credential, DailyLimits, OnUnknown};

    use super::*;

    /// An account of that name and credential.
    pub(crate) fn account(name: &str, credential: &str) -> Account {
        Account {
            name: AccountName::new(name),
            provider: "v2".into(),
            base_url: "https://api.example.com".into(),
            files_url: None,
            callback_secret: None,
            callback_keys_url: None,
            official: false,
            credential: Credential::new(credential),
            requests_per_minute: 1,
            concurrent_tasks: 1,
            daily: DailyLimits::default(),
            regions: Vec::new(),
            version: String::new(),
            pace: None,
            on_unknown: OnUnknown::default(),
        }
    }

    fn setup(accounts: impl IntoIterator<Item = Account>) -> Setup {
        Setup::new(Catalogue::builtin(), Router::new([], 0), accounts)
    }

    /// An attempt that is made with the account of that name now.
    fn attempt(current: &CurrentSetup, name: &str) -> NewAttempt {
        let account = Arc::clone(&current.get().accounts[&AccountName::new(name)]);
        NewAttempt {
            account: account.name.clone(),
            provider: account.provider.clone(),
            upstream_model: "m".into(),
            account_version: account.version.clone(),
        }
    }

    /// The credential that is presented for an attempt.
    fn presented(current: &CurrentSetup, attempt: &NewAttempt) -> Option<String> {
        current.account(attempt).map(|account| account.credential.expose().to_owned())
    }

    #[test]
    fn a_version_is_of_the_name_the_provider_the_address_and_the_credential() {
        let one = account("a", "c");
        let others = [
            Account { name: AccountName::new("b"), ..one.clone() },
            Account { provider: "kie".into(), ..one.clone() },
            Account { base_url: "https://api.example.org".into(), ..one.clone() },
            Account { credential: Credential::new("d"), ..one.clone() },
            Account { name: AccountName::new("av"), provider: "2".into(), ..one.clone() },
        ];
        let versions: HashSet<String> = others.iter().chain([&one]).map(version).collect();
        assert_eq!(versions.len(), 6);
        let same =
            Account { requests_per_minute: 7, official: true, regions: vec!["eu".into()], ..one.clone() };
        assert_eq!(version(&same), version(&one), "what is not part of it may change at any time");
        assert_eq!(version(&one).len(), 2 * VERSION_BYTES);
    }

    #[test]
    fn an_attempt_keeps_its_account_until_nobody_needs_it() {
        let current = CurrentSetup::new(setup([account("a", "one"), account("b", "one")]));
        let (of_a, of_b) = (attempt(&current, "a"), attempt(&current, "b"));
        let before = current.replace(setup([account("a", "two")]));
        assert_eq!(presented(&current, &of_a).as_deref(), Some("one"), "changed");
        assert_eq!(presented(&current, &of_b).as_deref(), Some("one"), "removed");
        let of_new_a = attempt(&current, "a");
        assert_eq!(presented(&current, &of_new_a).as_deref(), Some("two"));
        assert_eq!(current.idle_versions(), [""; 0], "a submission may still begin with the setup before");

        drop(before);
        assert_eq!(current.idle_versions().len(), 2);
        let held = current.account(&of_b);
        assert_eq!(current.idle_versions(), std::slice::from_ref(&of_a.account_version));
        drop(held);
        current.forget(&current.idle_versions(), &HashSet::from([of_a.account_version.clone()]));
        assert_eq!(presented(&current, &of_a).as_deref(), Some("one"), "a task is under way with it");
        assert_eq!(presented(&current, &of_b), None);

        current.replace(setup([account("a", "one")]));
        let retired: Vec<_> = current.retired().iter().map(|account| account.version.clone()).collect();
        assert_eq!(retired, [of_new_a.account_version], "what is current again is not retired");
        assert_eq!(presented(&current, &of_a).as_deref(), Some("one"));
    }

    #[test]
    fn of_a_version_that_nobody_knows_the_account_of_that_name_and_provider_is_taken() {
        let current = CurrentSetup::new(setup([account("a", "now")]));
        let known = attempt(&current, "a");
        let lost = NewAttempt { account_version: "of a process before".into(), ..known.clone() };
        assert_eq!(presented(&current, &lost).as_deref(), Some("now"));
        assert_eq!(
            current.idle_versions(),
            std::slice::from_ref(&lost.account_version),
            "remembered, so that it is told once"
        );
        current.forget(&current.idle_versions(), &HashSet::new());
        assert_eq!(current.idle_versions(), [""; 0]);
        let unversioned = NewAttempt { account_version: String::new(), ..known };
        assert_eq!(presented(&current, &unversioned).as_deref(), Some("now"));
        assert_eq!(current.idle_versions(), [""; 0]);
        let elsewhere = NewAttempt { provider: "kie".into(), ..lost };
        assert_eq!(presented(&current, &elsewhere), None, "another provider is not asked about it");
    }
}
