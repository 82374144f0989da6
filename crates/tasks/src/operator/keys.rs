//! Client keys as the operator sees them. A key itself is shown once, to whoever makes it.

use std::collections::HashMap;

use domain::{Client, Failure, FailureKind, Money, OwnerId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{DailyKey, DailyUse, KeyRecord, OwnerUse};

use super::Operator;
use super::page::{self, Listed, Page, PageQuery};
use super::schema::Amount;
use crate::keys::{Keyring, NewKey, client_of, declared_name};
use crate::shared::store_failure;

/// Letters of the name of a new key.
const NAME_CHARS_MAX: usize = 64;

/// A key to be made. What is left out is as the config says for all keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// The operator's name for it, of 1 to 64 letters.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Requests a minute.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub requests_per_minute: Option<u32>,
    /// Tasks at one time.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub concurrent_tasks: Option<u32>,
    /// What its tasks may cost in all.
    #[serde(default)]
    #[schemars(with = "Option<Amount>")]
    pub budget: Option<Money>,
    /// The API that it speaks, for paths that several APIs share.
    #[serde(default)]
    pub dialect: Option<String>,
}

/// A client key without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyView {
    /// Names it, and is the owner of all tasks made with it.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// Where it stands: `config` or `store`. What stands in the config is changed there.
    pub source: &'static str,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// When it was made, in milliseconds since the Unix epoch; absent for those of the config.
    pub created_at_ms: Option<i64>,
    /// When it was revoked, likewise.
    pub revoked_at_ms: Option<i64>,
    /// The API that it speaks, for paths that several APIs share.
    pub dialect: Option<String>,
    /// The public models that it may use; absent if all.
    pub models: Option<Vec<String>>,
    /// Requests a minute.
    pub requests_per_minute: u32,
    /// Tasks at one time.
    pub concurrent_tasks: u32,
    /// How many it has now.
    pub live_tasks: u32,
    /// What its tasks may cost in all; absent if there is no bound.
    #[schemars(with = "Option<Amount>")]
    pub budget: Option<Money>,
    /// What is set aside and spent for them.
    #[schemars(with = "Amount")]
    pub committed: Money,
    /// What it may use in one day, and has used today.
    pub today: TodayView,
}

/// What may be used in a day, which begins at midnight UTC. What has no bound is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TodayView {
    /// Tasks; absent if there is no bound.
    pub tasks_max: Option<u32>,
    /// How many there were.
    pub tasks: Option<u32>,
    /// What they may cost; absent if there is no bound.
    #[schemars(with = "Option<Amount>")]
    pub spend_max: Option<Money>,
    /// What they have cost, set aside and spent.
    #[schemars(with = "Option<Amount>")]
    pub spend: Option<Money>,
}

/// A new key. It cannot be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CreatedKey {
    /// The key itself.
    pub key: String,
    /// All else about it.
    #[serde(flatten)]
    pub view: KeyView,
}

/// A key before what it uses is known.
struct Known {
    client: Client,
    record: Option<KeyRecord>,
}

impl Listed for KeyView {
    const PLURAL: &'static str = "keys";
}

impl TodayView {
    /// What is used of those limits; what has no bound may not have been counted.
    pub(super) fn of(limits: domain::DailyLimits, used: DailyUse) -> Self {
        Self {
            tasks_max: limits.tasks,
            tasks: (!limits.is_empty()).then_some(used.tasks),
            spend_max: limits.spend,
            spend: (!limits.is_empty()).then_some(used.spend),
        }
    }
}

impl Operator {
    /// All keys, by their ids.
    pub async fn keys(&self, query: &PageQuery) -> Result<Page<KeyView>, Failure> {
        let max = page::size(query.max)?;
        let page = Page::of_all(self.known_keys().await?, query.after.as_deref(), max, |known| {
            known.client.owner.as_str()
        });
        let next = page.next.clone();
        Ok(Page { items: self.key_views(page.items).await?, next })
    }

    /// The key of that id.
    pub async fn key(&self, id: &str) -> Result<KeyView, Failure> {
        let mut known = self.known_keys().await?;
        known.retain(|known| known.client.owner.as_str() == id);
        self.key_views(known).await?.pop().ok_or_else(unknown)
    }

    /// Makes a key.
    pub async fn create_key(&self, wish: KeyWish) -> Result<CreatedKey, Failure> {
        check(&wish)?;
        let KeyWish { name, requests_per_minute, concurrent_tasks, budget, dialect } = wish;
        let new = NewKey { name, requests_per_minute, concurrent_tasks, budget, dialect };
        let (key, record) = self.keyring().create(new).await.map_err(|error| store_failure(&error))?;
        let views = self.key_views(vec![self.of_store(record)]).await?.pop();
        Ok(CreatedKey { key, view: views.ok_or_else(unknown)? })
    }

    /// Ends the key of that id, at once.
    pub async fn revoke_key(&self, id: &str) -> Result<KeyView, Failure> {
        let owner = OwnerId::new(id);
        if declared_name(&owner).is_some() {
            return Err(Failure::invalid("id", "id: a key of the config is taken out there"));
        }
        if !self.keyring().revoke(&owner).await.map_err(|error| store_failure(&error))? {
            return Err(Failure::new(FailureKind::NotFound, "no such key, or it was revoked before"));
        }
        self.key(id).await
    }

    /// The clients of all keys that can be used.
    pub(super) async fn clients(&self) -> Result<Vec<Client>, Failure> {
        let known = self.known_keys().await?.into_iter();
        let is_live = |known: &Known| known.record.as_ref().is_none_or(|record| record.revoked_at.is_none());
        Ok(known.filter(is_live).map(|known| known.client).collect())
    }

    async fn known_keys(&self) -> Result<Vec<Known>, Failure> {
        let records = self.keyring().list().await.map_err(|error| store_failure(&error))?;
        let setup = self.shared.setup.get();
        let declared = setup.keys.clients().map(|client| Known { client: client.clone(), record: None });
        Ok(declared.chain(records.into_iter().map(|record| self.of_store(record))).collect())
    }

    fn of_store(&self, record: KeyRecord) -> Known {
        let client = client_of(record.clone(), self.shared.setup.get().keys.defaults());
        Known { client, record: Some(record) }
    }

    async fn key_views(&self, known: Vec<Known>) -> Result<Vec<KeyView>, Failure> {
        let owners: Vec<OwnerId> = known.iter().map(|known| known.client.owner.clone()).collect();
        let days: Vec<DailyKey> = owners.iter().cloned().map(DailyKey::Client).collect();
        let used = self.shared.store.owner_use(&owners).await.map_err(|error| store_failure(&error))?;
        let today = self.shared.store.used_today(&days).await.map_err(|error| store_failure(&error))?;
        let mut used: HashMap<&OwnerId, (OwnerUse, DailyUse)> =
            owners.iter().zip(used.into_iter().zip(today)).collect();
        let view = |known: Known| {
            let (used, today) = used.remove(&known.client.owner).unwrap_or_default();
            KeyView::of(known, used, today)
        };
        Ok(known.into_iter().map(view).collect())
    }

    fn keyring(&self) -> Keyring {
        Keyring::new(self.shared.store.clone(), self.shared.setup.clone())
    }
}

impl KeyView {
    fn of(Known { client, record }: Known, used: OwnerUse, today: DailyUse) -> Self {
        let millis = |at: Timestamp| at.as_millis();
        let name = record.as_ref().map(|record| record.name.as_str()).or(declared_name(&client.owner));
        Self {
            id: client.owner.to_string(),
            name: name.unwrap_or_default().to_owned(),
            source: if record.is_some() { "store" } else { "config" },
            is_revoked: record.as_ref().is_some_and(|record| record.revoked_at.is_some()),
            created_at_ms: record.as_ref().map(|record| millis(record.created_at)),
            revoked_at_ms: record.and_then(|record| record.revoked_at).map(millis),
            dialect: client.dialect,
            models: client.access.models.clone(),
            requests_per_minute: client.limits.requests_per_minute,
            concurrent_tasks: client.limits.concurrent_tasks,
            live_tasks: used.live_tasks,
            budget: client.limits.budget,
            committed: used.committed,
            today: TodayView::of(client.limits.daily, today),
        }
    }
}

fn check(wish: &KeyWish) -> Result<(), Failure> {
    let letters = wish.name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&letters) || wish.name.chars().any(char::is_control) {
        return Err(Failure::invalid("name", format!("name: 1 to {NAME_CHARS_MAX} letters")));
    }
    for (field, number) in
        [("requests_per_minute", wish.requests_per_minute), ("concurrent_tasks", wish.concurrent_tasks)]
    {
        if number == Some(0) {
            return Err(Failure::invalid(field, format!("{field}: must be greater than zero")));
        }
    }
    if wish.budget.is_some_and(|budget| budget < Money::ZERO) {
        return Err(Failure::invalid("budget", "budget: must not be negative"));
    }
    let is_unknown = |name: &String| translation::dialect(name).is_none();
    if let Some(name) = wish.dialect.as_ref().filter(|name| is_unknown(name)) {
        return Err(Failure::invalid("dialect", format!("dialect: there is no API \"{name}\"")));
    }
    Ok(())
}

fn unknown() -> Failure {
    Failure::new(FailureKind::NotFound, "no key of that id")
}
