//! Who calls, and how much they may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{Money, OwnerId, Preference};

/// A client that proved its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Whose tasks it sees.
    pub owner: OwnerId,
    /// What it may use.
    pub limits: ClientLimits,
    /// The API that it speaks where several claim the same path; the request itself shows it otherwise.
    pub dialect: Option<String>,
    /// Which models and accounts it may use.
    pub access: Arc<Access>,
}

/// Which models and accounts a client key may use. Its default allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Only these public models; absent if all.
    pub models: Option<Vec<String>>,
    /// What its tasks want of accounts, unless they want more.
    pub preference: Preference,
    /// Limits for single models, besides those for all of them together.
    pub per_model: BTreeMap<String, ModelLimits>,
}

impl Access {
    /// Whether the public model of that name may be used.
    pub fn allows(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|allowed| allowed == model))
    }
}

/// What may be used in one day, which begins at midnight UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyLimits {
    /// Tasks; absent if there is no bound.
    pub tasks: Option<u32>,
    /// What they cost, set aside and spent; absent if there is no bound.
    pub spend: Option<Money>,
}

impl DailyLimits {
    /// Whether there is no bound.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The limits of one client key for one model. What is absent is bounded only by the limits for all its models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// New tasks a minute.
    pub requests_per_minute: Option<u32>,
    /// Tasks between accept and terminal state at one time.
    pub concurrent_tasks: Option<u32>,
    /// In one day.
    pub daily: DailyLimits,
}

/// The limits of all accounts of one provider together. What is absent is bounded only by the limits of each account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Submits a minute; more wait their turn.
    pub requests_per_minute: Option<u32>,
    /// Tasks at the provider at one time; more wait their turn.
    pub concurrent_tasks: Option<u32>,
    /// In one day; more waits for the next.
    pub daily: DailyLimits,
}

/// The limits of one client key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests a minute, at least 1.
    pub requests_per_minute: u32,
    /// Of these, how many may come at once, at least 1; absent if the usual part of them.
    pub requests_burst: Option<u32>,
    /// Tasks between accept and terminal state at one time, at least 1.
    pub concurrent_tasks: u32,
    /// What its tasks may cost in all; absent if there is no bound.
    pub budget: Option<Money>,
    /// In one day.
    pub daily: DailyLimits,
}

impl Default for ClientLimits {
    /// Those of the contract: 10,000 requests a minute, 1,000 tasks at one time.
    fn default() -> Self {
        let daily = DailyLimits::default();
        Self {
            requests_per_minute: 10_000,
            requests_burst: None,
            concurrent_tasks: 1_000,
            budget: None,
            daily,
        }
    }
}

/// What a rate limit said to one request; dialects write it into their headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit itself, requests a minute.
    pub limit: u32,
    /// Requests that would still pass right now.
    pub remaining: u32,
    /// Until the whole limit is free again.
    pub reset_after: Duration,
}
