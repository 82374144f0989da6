//! One paid access to a provider.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AccountName, DailyLimits, Timestamp};

/// An account as the operator configured it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// The registry name of the provider it belongs to.
    pub provider: String,
    /// Where the provider's API is, for instance `https://api.example.com`; calls append their path.
    pub base_url: String,
    /// Where the provider takes files that go into requests, if it does; without it inputs are published at this
    /// gateway's own URLs.
    pub files_url: Option<String>,
    /// What the provider signs callbacks with, if it signs with a shared secret.
    pub callback_secret: Option<Credential>,
    /// Where the public keys of its callbacks are, if elsewhere than the provider's own.
    pub callback_keys_url: Option<String>,
    /// Whether it is an account at the maker of the models it serves.
    pub official: bool,
    /// What proves that we may use it.
    pub credential: Credential,
    /// Submits a minute; more wait their turn.
    pub requests_per_minute: u32,
    /// Tasks at the provider at one time; more wait their turn.
    pub concurrent_tasks: u32,
    /// What it may take on in one day; more waits for the next.
    pub daily: DailyLimits,
    /// Where it works, in the operator's words: `eu`.
    pub regions: Vec<String>,
    /// Names this account with this address and this credential; tasks under way stay with what they were submitted by
    /// when the operator changes either.
    pub version: String,
    /// The operator's own poll pace, in place of the provider's.
    pub pace: Option<Pace>,
    /// What becomes of a submission whose outcome could not be established in time.
    pub on_unknown: OnUnknown,
}

/// What becomes of a task when it could not be established in time whether the upstream took it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// It fails, and its money stays set aside: the upstream may charge for it.
    #[default]
    Hold,
    /// It fails, and its money is free again.
    Release,
    /// It is submitted again, which may cost twice.
    Resubmit,
}

/// A secret that can be used but not printed: it has no `Display`, no `Serialize`, and a `Debug` that hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Takes the secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret, for the one who signs or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(hidden)")
    }
}

/// How often to ask a provider about one task: often while it is young, less often as it ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From acceptance to the first poll.
    pub first: Duration,
    /// The shortest time between two polls.
    pub shortest: Duration,
    /// The longest time between two polls.
    pub longest: Duration,
}

impl Pace {
    /// The wait before the next poll of a task accepted at `accepted`: a tenth of its age, within the bounds.
    /// `spread` in `0.0..=1.0` moves it by up to 10 % either way, so that tasks born together do not poll together.
    pub fn next(&self, accepted: Timestamp, now: Timestamp, spread: f64) -> Duration {
        let age = now.since(accepted);
        let wait = if age < self.first { self.first - age } else { age / 10 };
        let bounded = wait.clamp(self.shortest.min(self.longest), self.longest);
        bounded.mul_f64(0.9 + 0.2 * spread.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        first: Duration::from_secs(20),
        shortest: Duration::from_secs(2),
        longest: Duration::from_secs(15),
    };

    #[test]
    fn a_task_is_polled_less_often_as_it_ages() {
        let born = Timestamp::from_millis(0);
        let wait = |age_s: u64| PACE.next(born, born.plus(Duration::from_secs(age_s)), 0.5).as_secs();
        assert_eq!(wait(18), 2);
        assert_eq!(wait(60), 6);
        assert_eq!(wait(600), 15);
    }

    #[test]
    fn a_credential_does_not_print() {
        assert!(!format!("{:?}", Credential::new("hunter2")).contains("hunter2"));
    }
}
