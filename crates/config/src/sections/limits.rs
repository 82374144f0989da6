//! The section on what client keys may do, and where that is counted.

use std::time::Duration;

use domain::{ClientLimits, DailyLimits, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::UrlRef;
use crate::prices::{self, AmountText};
use crate::text::{self, DurationText};

/// What one client key may do, unless the key says otherwise, and what all of them together may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a minute; more are answered with 429.
    #[schemars(range(min = 1))]
    pub requests_per_minute: u32,
    /// Of these, how many may come at once; at most requests_per_minute. Default: a tenth of them, at least 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [1000]))]
    pub requests_burst: Option<u32>,
    /// Tasks at one time, from accepted to ended; more are answered with 429.
    #[schemars(range(min = 1))]
    pub concurrent_tasks: u32,
    /// New tasks in one day, which begins at midnight UTC; more are answered with 429. Without it there is no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [5000]))]
    pub daily_tasks: Option<u32>,
    /// What the tasks of one day may cost, set aside and spent; what would go beyond it is refused. Without it there is no
    /// bound.
    #[serde(with = "prices::amount", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AmountText>", extend("examples" = ["25"]))]
    pub daily_spend: Option<Money>,
    /// What the tasks of a key may cost in all, set aside and spent; what would go beyond it is refused. Without it there is
    /// no bound.
    #[serde(with = "prices::amount", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AmountText>", extend("examples" = ["100"]))]
    pub budget: Option<Money>,
    /// Tasks of all keys that may wait for room at accounts; more are answered with 503.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// Wrong keys a minute from one address; more are answered with 429.
    #[schemars(range(min = 1))]
    pub unauthorized_per_minute: u32,
    /// Keys whose rate is remembered at one time.
    #[schemars(range(min = 1))]
    pub tracked_keys_max: usize,
    /// A Redis or Valkey where several gateways count together. Without it each counts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedLimits>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: 10_000,
            requests_burst: None,
            concurrent_tasks: 1000,
            daily_tasks: None,
            daily_spend: None,
            budget: None,
            queue_max: 100_000,
            unauthorized_per_minute: 60,
            tracked_keys_max: 100_000,
            shared: None,
        }
    }
}

impl Limits {
    /// What a key may use that says nothing else.
    pub fn of_key(&self) -> ClientLimits {
        ClientLimits {
            requests_per_minute: self.requests_per_minute,
            requests_burst: self.requests_burst,
            concurrent_tasks: self.concurrent_tasks,
            budget: self.budget,
            daily: DailyLimits { tasks: self.daily_tasks, spend: self.daily_spend },
        }
    }
}

/// Where gateways count together, and what each does while that is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["url"]))]
pub struct SharedLimits {
    /// redis://HOST:PORT/DATABASE, or unix: with the path of a socket; with a user or a password only as env:NAME or
    /// file:PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["redis://cache.example.com:6379"]))]
    pub url: Option<UrlRef>,
    /// What all its keys begin with: 1 to 64 letters, digits and . _ -. Gateways that share limits share it.
    pub key_prefix: String,
    /// For a connection to it.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub connect_timeout: Duration,
    /// For an answer of it; whoever waits longer is decided about as on_outage says.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub response_timeout: Duration,
    /// From one look whether it answers to the next.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub probe_interval: Duration,
    /// What holds while it does not answer. local: each gateway keeps to its share, which is each limit divided by
    /// replicas; deny: nothing passes.
    pub on_outage: OnOutage,
    /// How many gateways share the limits.
    #[schemars(range(min = 1))]
    pub replicas: u32,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            url: None,
            key_prefix: "filmgate".to_owned(),
            connect_timeout: Duration::from_millis(100),
            response_timeout: Duration::from_millis(100),
            probe_interval: Duration::from_millis(500),
            on_outage: OnOutage::default(),
            replicas: 1,
        }
    }
}

/// What holds while shared limits are away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnOutage {
    /// Each gateway keeps to its share of each limit.
    #[default]
    Local,
    /// Nothing passes.
    Deny,
}
