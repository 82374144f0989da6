//! Client keys. A key is shown once; what is kept is its SHA-256 digest, which needs no salt or slow hash because a
//! generated key has 256 random bits.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Access, Client, ClientLimits, Failure, FailureKind, Money, OwnerId};
use sha2::{Digest as _, Sha256};
use store::{KeyRecord, Store, StoreError};
use subtle::ConstantTimeEq as _;

use crate::clock;
use crate::setup::CurrentSetup;
use crate::shared::store_failure;

/// Begins every generated key, so that leak scanners and people recognise one.
const PREFIX: &str = "fg_";
/// Begins the owners of keys that are declared.
const DECLARED: &str = "config:";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Base-62 digits of 256 random bits.
const RANDOM_DIGITS: usize = 43;
/// Longer text is no key of ours and is not even hashed.
const PRESENTED_BYTES_MAX: usize = 512;

/// Knows which keys are good.
#[derive(Clone)]
pub struct Keyring {
    store: Arc<dyn Store>,
    setup: CurrentSetup,
}

/// The keys that stand in the config, and what those of the store may use that say nothing of it.
#[derive(Debug, Default)]
pub struct Declared {
    clients: HashMap<[u8; 32], Client>,
    /// The same, by their owners.
    by_owner: HashMap<OwnerId, Client>,
    defaults: ClientLimits,
}

/// A key that stands in the config.
pub struct DeclaredKey {
    /// The operator's name for it; its owner is `config:<name>`.
    pub name: String,
    /// The key itself, read through its reference.
    pub secret: String,
    /// What it may use.
    pub limits: ClientLimits,
    /// The API that it speaks where several claim the same path.
    pub dialect: Option<String>,
    /// Which models and accounts it may use.
    pub access: Access,
}

/// A key to be made.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// The operator's name for it.
    pub name: String,
    /// Requests a minute, if other than the default.
    pub requests_per_minute: Option<u32>,
    /// Tasks at one time, if other than the default.
    pub concurrent_tasks: Option<u32>,
    /// What its tasks may cost in all, if that is bounded.
    pub budget: Option<Money>,
    /// The API that it speaks where several claim the same path.
    pub dialect: Option<String>,
}

impl Declared {
    /// These keys, and `defaults` for those of the store. Of two with the same secret the later counts.
    pub fn new(keys: impl IntoIterator<Item = DeclaredKey>, defaults: ClientLimits) -> Self {
        let clients = keys.into_iter().map(|key| {
            let DeclaredKey { name, secret, limits, dialect, access } = key;
            let owner = OwnerId::new(format!("{DECLARED}{name}"));
            (digest(&secret), Client { owner, limits, dialect, access: Arc::new(access) })
        });
        let clients: HashMap<[u8; 32], Client> = clients.collect();
        let by_owner = clients.values().map(|client| (client.owner.clone(), client.clone())).collect();
        Self { clients, by_owner, defaults }
    }

    /// Whether that owner's tasks of that model have a bound of their own.
    pub(crate) fn bounds_tasks(&self, owner: &OwnerId, model: &str) -> bool {
        let limits = self.by_owner.get(owner).and_then(|client| client.access.per_model.get(model));
        limits.is_some_and(|limits| limits.concurrent_tasks.is_some())
    }

    /// What `client` may do by these keys. It proved its key a moment ago, perhaps by an earlier version of them: so that
    /// no request gets the rights of one version and the routes of another. The failure is that of a wrong key.
    pub(crate) fn current(&self, client: &Client) -> Result<Client, Failure> {
        if !client.owner.as_str().starts_with(DECLARED) || failpoints::removed("key_of_the_routes") {
            return Ok(client.clone());
        }
        self.by_owner.get(&client.owner).cloned().ok_or_else(wrong_key)
    }

    /// The clients of all of them.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.by_owner.values()
    }

    /// What a key of the store may use that says nothing of it.
    pub(crate) fn defaults(&self) -> ClientLimits {
        self.defaults
    }

    /// The client of the key that has that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Client> {
        self.by_owner.get(&OwnerId::new(format!("{DECLARED}{name}")))
    }
}

impl Keyring {
    /// The keys of the store and those that the setup declares.
    pub fn new(store: Arc<dyn Store>, setup: CurrentSetup) -> Self {
        Self { store, setup }
    }

    /// Whose key `presented` is. Every wrong key gets the same answer.
    pub async fn authenticate(&self, presented: &str) -> Result<Client, Failure> {
        if presented.is_empty() || presented.len() > PRESENTED_BYTES_MAX {
            return Err(wrong_key());
        }
        let digest = digest(presented);
        let setup = self.setup.get();
        if let Some(client) = setup.keys.clients.get(&digest) {
            return Ok(client.clone());
        }
        let record = self.store.key(&digest).await.map_err(|error| store_failure(&error))?;
        // The index has found the row by the digest; the comparison in constant time does not rely on how.
        let record =
            record.filter(|record| bool::from(record.digest.ct_eq(&digest)) && record.revoked_at.is_none());
        record.map(|record| client_of(record, setup.keys.defaults)).ok_or_else(wrong_key)
    }

    /// Makes a key and returns it with its record; this is the only time that the key can be read.
    pub async fn create(&self, new: NewKey) -> Result<(String, KeyRecord), StoreError> {
        let secret = generate_key().map_err(StoreError::Unavailable)?;
        let record = KeyRecord {
            owner: OwnerId::new(format!("key_{}", uuid::Uuid::now_v7().simple())),
            name: new.name,
            digest: digest(&secret),
            requests_per_minute: new.requests_per_minute,
            concurrent_tasks: new.concurrent_tasks,
            budget: new.budget,
            dialect: new.dialect,
            created_at: clock::now(),
            revoked_at: None,
        };
        self.store.put_key(&record).await?;
        Ok((secret, record))
    }

    /// Whether the config or the environment declares a key.
    pub fn declares_any(&self) -> bool {
        !self.setup.get().keys.clients.is_empty()
    }

    /// All keys of the store, oldest first.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.store.keys().await
    }

    /// Revokes the key of that owner; false if there is none or it was revoked before.
    pub async fn revoke(&self, owner: &OwnerId) -> Result<bool, StoreError> {
        self.store.revoke_key(owner, clock::now()).await
    }
}

fn wrong_key() -> Failure {
    Failure::new(FailureKind::Unauthorized, "missing or invalid API key")
}

/// The name of the key that an owner has in the config, if it has one there.
pub(crate) fn declared_name(owner: &OwnerId) -> Option<&str> {
    owner.as_str().strip_prefix(DECLARED)
}

/// The client of a key of the store.
pub(crate) fn client_of(record: KeyRecord, defaults: ClientLimits) -> Client {
    let limits = ClientLimits {
        requests_per_minute: record.requests_per_minute.unwrap_or(defaults.requests_per_minute),
        concurrent_tasks: record.concurrent_tasks.unwrap_or(defaults.concurrent_tasks),
        budget: record.budget.or(defaults.budget),
        ..defaults
    };
    Client { owner: record.owner, limits, dialect: record.dialect, access: Arc::default() }
}

/// 256 random bits.
pub fn random_key() -> Result<[u8; 32], String> {
    let mut key = [0u8; 32];
    getrandom::fill(&mut key).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(key)
}

/// A new key: a prefix and 256 random bits in base 62.
pub fn generate_key() -> Result<String, String> {
    let mut key = String::from(PREFIX);
    while key.len() < PREFIX.len() + RANDOM_DIGITS {
        let mut bytes = [0u8; 64];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
        // 248 is the largest multiple of 62 in a byte; larger values would favour some digits.
        let digits = bytes.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(byte % 62)]);
        key.extend(digits.map(char::from).take(PREFIX.len() + RANDOM_DIGITS - key.len()));
    }
    Ok(key)
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_long_and_differ() {
        let (a, b) = (generate_key().unwrap(), generate_key().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 46);
        assert!(a.starts_with("fg_") && a[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
