//! Limits of one day, which begins at midnight UTC. The store counts them: they are as durable as the tasks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Account, AccountName, Client, DailyLimits, Failure, FailureKind, Money, Task, with_sources};
use limits::LimitKey;
use store::{DailyBound, DailyKey, DailyLimit, DailyUse, DailyVerdict, OverDaily, StoreError};
use tokio::time::Instant;

use crate::held::Held;
use crate::setup::Setup;
use crate::shared::Shared;

/// How long an account is left alone whose day is full: the day may end, and what fails gives its part back.
const FULL_FOR: Duration = Duration::from_secs(15);
/// When an account is looked at again after the store did not count.
const UNCOUNTED_RETRY_AFTER: Duration = Duration::from_millis(500);

/// The accounts that were full when they were last asked for; at most all of them.
#[derive(Default)]
pub(crate) struct FullDays(Mutex<HashMap<AccountName, Full>>);

struct Full {
    until: Instant,
    bound: DailyBound,
}

impl FullDays {
    fn note(&self, account: &AccountName, over: &OverDaily) -> Instant {
        let until = Instant::now() + over.resets_in.min(FULL_FOR);
        let full = Full { until, bound: over.bound };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account.clone(), full);
        until
    }

    /// Until when the account is left alone by tasks of that price.
    fn until(&self, account: &AccountName, price: Money) -> Option<Instant> {
        let full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Full { until, bound } = full.get(account)?;
        let has_room = match bound {
            DailyBound::Tasks => false,
            DailyBound::Spend { left } => price <= *left,
        };
        (!has_room && Instant::now() < *until).then_some(*until)
    }
}

/// What is used today of the days of accounts, each with that of its provider, as the store has counted it.
pub(crate) struct Days(HashMap<AccountName, Vec<(DailyLimits, DailyUse)>>);

impl Days {
    /// Those of all accounts that have such limits.
    pub(crate) async fn today(shared: &Shared, setup: &Setup) -> Result<Self, StoreError> {
        let mut days = HashMap::new();
        for (name, account) in &setup.accounts {
            let limits = of_account(setup, account);
            let keys: Vec<DailyKey> = limits.iter().map(|limit| limit.key.clone()).collect();
            if !keys.is_empty() {
                let used = shared.store.used_today(&keys).await?;
                days.insert(name.clone(), limits.into_iter().map(|limit| limit.limits).zip(used).collect());
            }
        }
        Ok(Self(days))
    }

    /// Whether the account has no room for a task of that price.
    pub(crate) fn is_full(&self, account: &AccountName, price: Money) -> bool {
        let is_full = |(limits, used): &(DailyLimits, DailyUse)| {
            let left = limits.spend.map(|max| max.checked_sub(used.spend).unwrap_or_default());
            limits.tasks.is_some_and(|max| used.tasks >= max)
                || left.is_some_and(|left| price > Money::ZERO && price > left)
        };
        self.0.get(account).is_some_and(|days| days.iter().any(is_full))
    }
}

/// What the tasks of a client for that public model count in today. Nothing where there is no bound.
pub(crate) fn of_client(client: &Client, model: &str) -> Vec<DailyLimit> {
    let of_all = (DailyKey::Client(client.owner.clone()), client.limits.daily);
    let of_model = client.access.per_model.get(model).map(|limits| {
        let key = DailyKey::ClientModel(client.owner.clone(), model.to_owned());
        (key, limits.daily)
    });
    bounded(std::iter::once(of_all).chain(of_model))
}

/// Counts a task that a limit of the day refused, or made wait.
pub(crate) fn count_refusal(shared: &Shared, over: &OverDaily) {
    let key = match over.key.clone() {
        DailyKey::Client(owner) => LimitKey::Client(owner),
        DailyKey::ClientModel(owner, model) => LimitKey::ClientModel(owner, model),
        DailyKey::Account(account) => LimitKey::Account(account),
        DailyKey::Provider(provider) => LimitKey::Provider(provider),
    };
    let kind = match over.bound {
        DailyBound::Tasks => "tasks_of_day",
        DailyBound::Spend { .. } => "spend_of_day",
    };
    shared.limiter.note_refusal(&key, kind);
}

/// What a client learns whose task is one too many today.
pub(crate) fn refusal(over: &OverDaily, task: &Task) -> Failure {
    let of = match &over.key {
        DailyKey::ClientModel(_, model) => format!(" for {model}"),
        DailyKey::Client(_) | DailyKey::Account(_) | DailyKey::Provider(_) => String::new(),
    };
    match over.bound {
        DailyBound::Tasks => {
            let text =
                format!("this key has had its tasks of today{of}; the next day begins at midnight UTC");
            Failure::new(FailureKind::RateLimited, text)
        }
        DailyBound::Spend { left } => {
            let reserved = task.quote.reserved;
            let text = format!("the task costs up to {reserved}, and this key has {left} left for today{of}");
            Failure::new(FailureKind::OutOfBudget, text)
        }
    }
    .with_retry_after(over.resets_in)
}

/// Until when the account takes no task like this, if its day was full lately.
pub(crate) fn full_until(held: &Held<'_>, account: &Account, upstream_model: &str) -> Option<Instant> {
    held.shared.full_days.until(&account.name, price(held, account, upstream_model))
}

/// Counts the attempt that is about to be made in the days of the account and of its provider; or says until when the
/// account is to be left alone.
pub(crate) async fn take(held: &Held<'_>, account: &Account, upstream_model: &str) -> Result<(), Instant> {
    let limits = of_account(&held.shared.setup.get(), account);
    if limits.is_empty() {
        return Ok(());
    }
    let price = price(held, account, upstream_model);
    match held.shared.store.use_daily(&held.claim(), next_attempt(&held.task), &limits, price).await {
        Ok(DailyVerdict::Counted) => Ok(()),
        Ok(DailyVerdict::Over(over)) => {
            count_refusal(held.shared, &over);
            Err(held.shared.full_days.note(&account.name, &over))
        }
        Err(error) => {
            tracing::warn!(task_id = %held.task.id, error = with_sources(&error), "an attempt could not be counted");
            Err(Instant::now() + UNCOUNTED_RETRY_AFTER)
        }
    }
}

/// The attempt is not made after all. What the store does not take back is counted until the task tries again or ends.
pub(crate) async fn give_back(held: &Held<'_>, account: &Account) {
    if of_account(&held.shared.setup.get(), account).is_empty() {
        return;
    }
    let nothing =
        held.shared.store.use_daily(&held.claim(), next_attempt(&held.task), &[], Money::ZERO).await;
    if let Err(error) = nothing {
        tracing::debug!(task_id = %held.task.id, %error, "an attempt that was not made still counts");
    }
}

/// What the attempts of an account count in today. Nothing where there is no bound.
fn of_account(setup: &Setup, account: &Account) -> Vec<DailyLimit> {
    let of_provider = setup.provider(&account.provider).daily;
    bounded([
        (DailyKey::Account(account.name.clone()), account.daily),
        (DailyKey::Provider(account.provider.clone()), of_provider),
    ])
}

fn bounded(limits: impl IntoIterator<Item = (DailyKey, DailyLimits)>) -> Vec<DailyLimit> {
    let bounded = limits.into_iter().filter(|(_, limits)| !limits.is_empty());
    bounded.map(|(key, limits)| DailyLimit { key, limits }).collect()
}

fn price(held: &Held<'_>, account: &Account, upstream_model: &str) -> Money {
    let quote = &held.task.quote;
    quote.price(&account.name, upstream_model).unwrap_or(quote.reserved)
}

fn next_attempt(task: &Task) -> u32 {
    task.attempts.last().map_or(1, |attempt| attempt.number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(bound: DailyBound, resets_in: Duration) -> OverDaily {
        OverDaily { key: DailyKey::Account(AccountName::new("a")), bound, resets_in }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_was_full_is_left_alone_for_a_while_but_not_into_the_next_day() {
        let (days, account) = (FullDays::default(), AccountName::new("a"));
        assert_eq!(days.until(&account, Money::ZERO), None);
        let hour = Duration::from_secs(3600);
        for (resets_in, wait) in [(hour, FULL_FOR), (Duration::from_secs(1), Duration::from_secs(1))] {
            let until = days.note(&account, &over(DailyBound::Tasks, resets_in));
            assert_eq!(until, Instant::now() + wait);
            assert_eq!(days.until(&account, Money::ZERO), Some(until));
            tokio::time::advance(wait).await;
            assert_eq!(days.until(&account, Money::ZERO), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_less_than_is_left_may_go_to_an_account_without_room_for_more() {
        let (days, account) = (FullDays::default(), AccountName::new("a"));
        let left = Money::from_billionths(5);
        let until = days.note(&account, &over(DailyBound::Spend { left }, FULL_FOR));
        assert_eq!(days.until(&account, left), None);
        assert_eq!(days.until(&account, Money::from_billionths(6)), Some(until));
    }
}
