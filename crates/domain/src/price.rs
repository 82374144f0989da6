//! What a task may cost, and what its end costs.

use serde::{Deserialize, Serialize};

use crate::{AccountName, FailureKind, Money, NewAttempt, Task, TaskState};

/// What a task may cost, frozen when it was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What was set aside: the highest of the prices.
    pub reserved: Money,
    /// The price of each way to serve it; empty if nothing has a price.
    pub prices: Vec<QuotedPrice>,
}

/// What one way to serve a task costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedPrice {
    /// The account.
    pub account: AccountName,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// What it costs.
    pub price: Money,
}

impl Quote {
    /// A quote of these prices.
    pub fn new(prices: Vec<QuotedPrice>) -> Self {
        let reserved = prices.iter().map(|quoted| quoted.price).max().unwrap_or_default();
        Self { reserved, prices }
    }

    /// The price of serving the task by `account` as `upstream_model`; `None` if that was not part of what was accepted.
    pub fn price(&self, account: &AccountName, upstream_model: &str) -> Option<Money> {
        if self.prices.is_empty() {
            return Some(Money::ZERO);
        }
        let is_it =
            |quoted: &&QuotedPrice| quoted.account == *account && quoted.upstream_model == upstream_model;
        self.prices.iter().find(is_it).map(|quoted| quoted.price)
    }
}

/// What becomes of the money that was set aside for a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What is spent.
    pub captured: Money,
    /// What is free again.
    pub released: Money,
}

impl Settlement {
    /// Spends `price` of what was `reserved`, at most all of it, and frees the rest.
    pub fn capture(reserved: Money, price: Money) -> Self {
        let captured = price.min(reserved);
        Self { captured, released: reserved.checked_sub(captured).unwrap_or_default() }
    }

    /// Frees everything.
    pub fn release(reserved: Money) -> Self {
        Self { captured: Money::ZERO, released: reserved }
    }
}

impl Task {
    /// What the end of the task does with the money that was set aside. `None` while it has not ended, and where nobody
    /// knows whether its upstream charges for it: that money stays set aside.
    pub fn settlement(&self) -> Option<Settlement> {
        let reserved = self.quote.reserved;
        match &self.state {
            TaskState::Succeeded { .. } => {
                let price = self.attempt().map_or(Money::ZERO, |attempt| self.price_of(&attempt.plan));
                Some(Settlement::capture(reserved, price))
            }
            TaskState::Failed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown => None,
            TaskState::Failed { .. } | TaskState::Cancelled { .. } | TaskState::Expired { .. } => {
                Some(Settlement::release(reserved))
            }
            TaskState::Queued
            | TaskState::Submitting { .. }
            | TaskState::Unknown { .. }
            | TaskState::Running { .. }
            | TaskState::Collecting { .. } => None,
        }
    }

    /// What an attempt of the task costs.
    pub fn price_of(&self, plan: &NewAttempt) -> Money {
        self.quote.price(&plan.account, &plan.upstream_model).unwrap_or(self.quote.reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, Timestamp, task::tests::queued};

    const AT: Timestamp = Timestamp::from_millis(1);

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn quoted(account: &str, price: &str) -> QuotedPrice {
        QuotedPrice { account: AccountName::new(account), upstream_model: "m".into(), price: money(price) }
    }

    fn tried(account: &str) -> Task {
        let mut task = queued();
        task.quote = Quote::new(vec![quoted("a", "0.4"), quoted("b", "1")]);
        let plan = NewAttempt {
            account: AccountName::new(account),
            provider: "p".into(),
            upstream_model: "m".into(),
            account_version: String::new(),
        };
        task.apply(crate::TaskEvent::SubmitIntended { plan }, AT).unwrap();
        task
    }

    fn ended(account: &str, state: TaskState) -> Option<Settlement> {
        Task { state, ..tried(account) }.settlement()
    }

    #[test]
    fn the_highest_price_is_set_aside_and_the_one_that_was_used_is_spent() {
        let success = || TaskState::Succeeded { outputs: vec![], at: AT };
        assert_eq!(tried("a").quote.reserved, money("1"));
        let cheap = Settlement { captured: money("0.4"), released: money("0.6") };
        assert_eq!(ended("a", success()), Some(cheap));
        assert_eq!(ended("b", success()), Some(Settlement { captured: money("1"), released: Money::ZERO }));
    }

    #[test]
    fn what_came_to_nothing_costs_nothing_but_what_nobody_knows_stays_set_aside() {
        let all = Settlement { captured: Money::ZERO, released: money("1") };
        let failed = |kind| TaskState::Failed { failure: Failure::new(kind, "f"), at: AT };
        assert_eq!(ended("a", failed(FailureKind::GenerationFailed)), Some(all));
        assert_eq!(ended("a", TaskState::Expired { at: AT }), Some(all));
        assert_eq!(ended("a", TaskState::Cancelled { at: AT }), Some(all));
        assert_eq!(ended("a", failed(FailureKind::OutcomeUnknown)), None);
        assert_eq!(tried("a").settlement(), None);
    }

    #[test]
    fn a_way_that_was_not_part_of_the_quote_has_no_price() {
        let quote = tried("a").quote;
        assert_eq!(quote.price(&AccountName::new("b"), "m"), Some(money("1")));
        assert_eq!(quote.price(&AccountName::new("b"), "other"), None);
        assert_eq!(Quote::default().price(&AccountName::new("b"), "m"), Some(Money::ZERO));
    }
}
