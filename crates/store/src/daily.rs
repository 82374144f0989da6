//! Limits of one day, which begins at midnight UTC by the store's own clock.
//!
//! What is counted is exact from the moment at which a limit is first named. It may only err by counting too much, and
//! never for longer than that day. An attempt that was counted but never stored counts until it is counted anew or its
//! task ends; one of which it is learned after the end of its task that it has failed counts on.

use std::time::Duration;

use domain::{AccountName, DailyLimits, Money, OwnerId, Timestamp};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// The number of a use that is a task's own, not that of one of its attempts.
pub(crate) const AT_ACCEPT: u32 = 0;

/// Whose use is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DailyKey {
    /// All tasks of a client key.
    Client(OwnerId),
    /// Those of one public model.
    ClientModel(OwnerId, String),
    /// The attempts that an account was chosen for.
    Account(AccountName),
    /// Those of all accounts of a provider.
    Provider(String),
}

impl DailyKey {
    /// As it is stored: what kind of limit, of whom, for which model.
    pub(crate) fn columns(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Client(owner) => ("client", owner.as_str(), ""),
            Self::ClientModel(owner, model) => ("client_model", owner.as_str(), model),
            Self::Account(account) => ("account", account.as_str(), ""),
            Self::Provider(provider) => ("provider", provider, ""),
        }
    }
}

/// What may be used of something in one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyLimit {
    /// Of what.
    pub key: DailyKey,
    /// How much. Without bounds it is counted all the same.
    pub limits: DailyLimits,
}

impl DailyLimit {
    /// Why it has no room today for one task more, of that price.
    pub(crate) fn over(&self, used: DailyUse, price: Money, now: Timestamp) -> Option<OverDaily> {
        let bound = if self.limits.tasks.is_some_and(|max| used.tasks >= max) {
            DailyBound::Tasks
        } else {
            let left = self.limits.spend.map(|max| max.checked_sub(used.spend).unwrap_or_default());
            // What costs nothing needs no room.
            let left = left.filter(|left| price > Money::ZERO && price > *left)?;
            DailyBound::Spend { left }
        };
        Some(OverDaily { key: self.key.clone(), bound, resets_in: resets_in(now) })
    }
}

/// A limit that has no room today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverDaily {
    /// Whose limit.
    pub key: DailyKey,
    /// Which of its bounds.
    pub bound: DailyBound,
    /// Until the next day begins; more than zero.
    pub resets_in: Duration,
}

/// A bound of a daily limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DailyBound {
    /// That of tasks.
    Tasks,
    /// That of what they cost.
    Spend {
        /// What is left of it today; negative if it was lowered.
        left: Money,
    },
}

/// What is used of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyUse {
    /// Tasks.
    pub tasks: u32,
    /// What they cost.
    pub spend: Money,
}

/// Whether an attempt was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DailyVerdict {
    /// In all limits.
    Counted,
    /// In none of them, because this one has no room.
    Over(OverDaily),
}

/// The day of a moment.
pub(crate) fn day(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY_MILLIS)
}

fn resets_in(now: Timestamp) -> Duration {
    let left = DAY_MILLIS - now.as_millis().rem_euclid(DAY_MILLIS);
    Duration::from_millis(left.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight() {
        let at = |millis| (day(Timestamp::from_millis(millis)), resets_in(Timestamp::from_millis(millis)));
        assert_eq!(at(DAY_MILLIS - 1), (0, Duration::from_millis(1)));
        assert_eq!(at(DAY_MILLIS), (1, Duration::from_secs(24 * 3600)));
        assert_eq!(at(-1), (-1, Duration::from_millis(1)));
    }
}
