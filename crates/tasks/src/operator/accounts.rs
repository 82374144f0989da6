//! The accounts as the operator sees them, and what the operator may say of them while the gateway runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{Account, AccountName, Failure, FailureKind, Money};
use limits::LimitKey;
use routing::{Candidate, OutReason, Standing};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operator;
use super::page::{self, Listed, Page, PageQuery};
use crate::Setup;
use crate::daily::Days;
use crate::shared::store_failure;

/// The least that a task can cost which is not free.
const LEAST: Money = Money::from_billionths(1);

/// An account and how it does.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccountView {
    /// The operator's name for it.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// Tells its present address and credential from others.
    pub version: String,
    /// Whether it takes submissions: `ready`, `probe`, `ejected`, `out`, `paused` or `drained`.
    pub standing: &'static str,
    /// Why it is out: `credential` or `money`.
    pub reason: Option<&'static str>,
    /// When it is tried again, in milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
    /// The part of its usual work that it gets, from 0 to 1.
    pub share: f64,
    /// Tasks that it works on.
    pub slots_in_use: u32,
    /// How many it may work on.
    pub slots: u32,
    /// Whether its day, or that of its provider, has no room for any task that costs something.
    pub is_day_full: bool,
    /// Tasks that wait for it; one that waits for several accounts counts for each.
    pub waiting: usize,
    /// How long it lately took from a submission to the results, in milliseconds, by its own names of models.
    pub time_to_result_ms: BTreeMap<String, u64>,
}

impl Listed for AccountView {
    const PLURAL: &'static str = "accounts";
}

impl Operator {
    /// All accounts, by name.
    pub async fn accounts(&self, query: &PageQuery) -> Result<Page<AccountView>, Failure> {
        let max = page::size(query.max)?;
        Ok(Page::of_all(self.all_accounts().await?, query.after.as_deref(), max, |view| &view.name))
    }

    /// The account of that name.
    pub async fn account(&self, name: &str) -> Result<AccountView, Failure> {
        let all = self.all_accounts().await?;
        all.into_iter().find(|view| view.name == name).ok_or_else(|| unknown(name))
    }

    async fn all_accounts(&self) -> Result<Vec<AccountView>, Failure> {
        let setup = self.shared.setup.get();
        let days = Days::today(&self.shared, &setup).await.map_err(|error| store_failure(&error))?;
        let in_use = self.in_use(&setup).await;
        let waiting: HashMap<AccountName, usize> = self.shared.waiting.lengths().into_iter().collect();
        let view = |account: &Arc<Account>| self.view(&setup, account, (&days, &in_use, &waiting));
        Ok(setup.accounts.values().map(view).collect())
    }

    /// From now on the account gets no new work; what it works on goes on. Until it is resumed, in every
    /// process on the same store.
    pub async fn drain(&self, name: &str) -> Result<AccountView, Failure> {
        let setup = self.shared.setup.get();
        self.shared.drain(account(&setup, name)?).await?;
        self.changed(&setup, name).await
    }

    /// From now on the account gets new work again, whether it was drained, out, ejected or paused.
    pub async fn resume(&self, name: &str) -> Result<AccountView, Failure> {
        let setup = self.shared.setup.get();
        let account = account(&setup, name)?;
        self.shared.resume(account).await?;
        self.changed(&setup, name).await
    }

    /// Forgets what was heard of the account, here, so that one that was out, ejected or paused is tried again. One that is
    /// drained stays so.
    pub async fn reset(&self, name: &str) -> Result<AccountView, Failure> {
        let setup = self.shared.setup.get();
        let account = account(&setup, name)?;
        self.shared.health.reset(account);
        self.shared.waiting.open(&account.name);
        self.changed(&setup, name).await
    }

    /// How many tasks each account works on.
    pub(super) async fn in_use(&self, setup: &Setup) -> HashMap<AccountName, u32> {
        let mut in_use = HashMap::with_capacity(setup.accounts.len());
        for name in setup.accounts.keys() {
            let slots = self.shared.limiter.in_use(&LimitKey::Account(name.clone())).await;
            in_use.insert(name.clone(), slots);
        }
        in_use
    }

    async fn changed(&self, setup: &Setup, name: &str) -> Result<AccountView, Failure> {
        self.shared.metrics.accounts.standings(&self.shared.health.standings(setup));
        self.account(name).await
    }

    fn view(
        &self,
        setup: &Setup,
        account: &Account,
        (days, in_use, waiting): (&Days, &HashMap<AccountName, u32>, &HashMap<AccountName, usize>),
    ) -> AccountView {
        // No model in particular: how an account stands is the same for all.
        let any = Candidate::new(account.name.clone(), "");
        let condition = self.shared.health.condition(setup, &any);
        let (standing, reason, until) = match condition.standing {
            Standing::Ready => ("ready", None, None),
            Standing::Probe => ("probe", None, None),
            Standing::Ejected { until } => ("ejected", None, Some(until)),
            Standing::Out { reason, until } => ("out", Some(OutReason::as_str(reason)), Some(until)),
            Standing::Paused { until } => ("paused", None, Some(until)),
            Standing::Drained => ("drained", None, None),
        };
        let times = self.shared.health.times(&account.name).into_iter();
        AccountView {
            name: account.name.to_string(),
            provider: account.provider.clone(),
            version: account.version.clone(),
            standing,
            reason,
            until_ms: until.map(domain::Timestamp::as_millis),
            share: condition.share,
            slots_in_use: in_use.get(&account.name).copied().unwrap_or_default(),
            slots: account.concurrent_tasks,
            is_day_full: days.is_full(&account.name, LEAST),
            waiting: waiting.get(&account.name).copied().unwrap_or_default(),
            time_to_result_ms: times.map(|(model, time)| (model, crate::explain::millis(time))).collect(),
        }
    }
}

fn account<'a>(setup: &'a Setup, name: &str) -> Result<&'a Arc<Account>, Failure> {
    setup.accounts.get(&AccountName::new(name)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("no account \"{name}\" in the config"))
}
