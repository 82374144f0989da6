//! What is used of what: slots, days and budgets. Requests a minute leave no trace that could be read; only their bounds
//! are told.

use domain::{Client, DailyLimits, Failure, Money};
use limits::LimitKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DailyKey;

use super::Operator;
use super::keys::TodayView;
use super::page::{self, Listed, Page};
use super::schema::Amount;
use crate::setup::Setup;
use crate::shared::store_failure;

/// Which limits are wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitQuery {
    /// Whose; all if absent.
    pub kind: Option<LimitKind>,
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// Whose limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LimitKind {
    /// Those of an account at a provider.
    Account,
    /// Those of a client key.
    Client,
    /// Those of a client key for one public model.
    ClientModel,
    /// Those of all accounts of a provider.
    Provider,
}

/// The limits of one of them, and what is used of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LimitView {
    /// Names it in this list.
    pub id: String,
    /// Whose.
    pub kind: LimitKind,
    /// The account, the id of the key, or the provider.
    pub of: String,
    /// The public model, where it is of one.
    pub model: Option<String>,
    /// Requests (of a client) or submissions (to an account) a minute; absent if there is no bound.
    pub per_minute: Option<u32>,
    /// Tasks at one time; absent if there is no bound.
    pub slots: Option<u32>,
    /// How many there are. Where a store counts the tasks of a client, this is its count.
    pub slots_in_use: u32,
    /// What may be used in one day, and is used today.
    pub today: TodayView,
    /// What all tasks may cost; absent if there is no bound.
    #[schemars(with = "Option<Amount>")]
    pub budget: Option<Money>,
    /// What is set aside and spent of it.
    #[schemars(with = "Option<Amount>")]
    pub committed: Option<Money>,
}

/// A limit before what is used of it is known.
struct Bound {
    id: String,
    kind: LimitKind,
    key: DailyKey,
    per_minute: Option<u32>,
    slots: Option<u32>,
    daily: DailyLimits,
    budget: Option<Money>,
}

impl Listed for LimitView {
    const PLURAL: &'static str = "limits";
}

impl Operator {
    /// All limits by kind and name, with what is used of them.
    pub async fn limits(&self, query: &LimitQuery) -> Result<Page<LimitView>, Failure> {
        let max = page::size(query.max)?;
        let setup = self.shared.setup.get();
        let mut bounds = of_upstreams(&setup);
        bounds.extend(self.clients().await?.iter().flat_map(of_client));
        bounds.retain(|bound| query.kind.is_none_or(|kind| kind == bound.kind));
        let page = Page::of_all(bounds, query.after.as_deref(), max, |bound| &bound.id);
        let next = page.next.clone();
        Ok(Page { items: self.limit_views(page.items).await?, next })
    }

    async fn limit_views(&self, bounds: Vec<Bound>) -> Result<Vec<LimitView>, Failure> {
        let days: Vec<DailyKey> = bounds.iter().map(|bound| bound.key.clone()).collect();
        let today = self.shared.store.used_today(&days).await.map_err(|error| store_failure(&error))?;
        let mut views = Vec::with_capacity(bounds.len());
        for (bound, used) in bounds.into_iter().zip(today) {
            let today = TodayView::of(bound.daily, used);
            views.push(self.limit_view(bound, today).await?);
        }
        Ok(views)
    }

    async fn limit_view(&self, bound: Bound, today: TodayView) -> Result<LimitView, Failure> {
        let (of, model, key) = match bound.key {
            DailyKey::Account(name) => (name.to_string(), None, LimitKey::Account(name)),
            DailyKey::Provider(name) => (name.clone(), None, LimitKey::Provider(name)),
            DailyKey::Client(owner) => (owner.to_string(), None, LimitKey::Client(owner)),
            DailyKey::ClientModel(owner, model) => {
                (owner.to_string(), Some(model.clone()), LimitKey::ClientModel(owner, model))
            }
        };
        let mut slots_in_use = self.shared.limiter.in_use(&key).await;
        let mut committed = None;
        if let LimitKey::Client(owner) = &key {
            let used = self.shared.store.owner_use(std::slice::from_ref(owner)).await;
            let used = used.map_err(|error| store_failure(&error))?.pop().unwrap_or_default();
            slots_in_use = used.live_tasks;
            committed = Some(used.committed);
        }
        Ok(LimitView {
            id: bound.id,
            kind: bound.kind,
            of,
            model,
            per_minute: bound.per_minute,
            slots: bound.slots,
            slots_in_use,
            today,
            budget: bound.budget,
            committed,
        })
    }
}

fn of_upstreams(setup: &Setup) -> Vec<Bound> {
    let accounts = setup.accounts.values().map(|account| Bound {
        id: format!("account/{}", account.name),
        kind: LimitKind::Account,
        key: DailyKey::Account(account.name.clone()),
        per_minute: Some(account.requests_per_minute),
        slots: Some(account.concurrent_tasks),
        daily: account.daily,
        budget: None,
    });
    let providers = setup.providers.iter().map(|(name, limits)| Bound {
        id: format!("provider/{name}"),
        kind: LimitKind::Provider,
        key: DailyKey::Provider(name.clone()),
        per_minute: limits.requests_per_minute,
        slots: limits.concurrent_tasks,
        daily: limits.daily,
        budget: None,
    });
    accounts.chain(providers).collect()
}

fn of_client(client: &Client) -> Vec<Bound> {
    let owner = &client.owner;
    let of_all = Bound {
        id: format!("client/{owner}"),
        kind: LimitKind::Client,
        key: DailyKey::Client(owner.clone()),
        per_minute: Some(client.limits.requests_per_minute),
        slots: Some(client.limits.concurrent_tasks),
        daily: client.limits.daily,
        budget: client.limits.budget,
    };
    let of_models = client.access.per_model.iter().map(|(model, limits)| Bound {
        id: format!("client_model/{owner}/{model}"),
        kind: LimitKind::ClientModel,
        key: DailyKey::ClientModel(owner.clone(), model.clone()),
        per_minute: limits.requests_per_minute,
        slots: limits.concurrent_tasks,
        daily: limits.daily,
        budget: None,
    });
    std::iter::once(of_all).chain(of_models).collect()
}
