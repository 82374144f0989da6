//! Limits of one day, which begins at midnight UTC by the store's own clock.
//!
//! What is counted is exact from the moment at which a limit is first named. It may only err by counting too much, and
//! never for longer than that day. An attempt that was counted but never stored counts until it is counted anew or its
//! task ends; one of which it is learned after the end of its task that it has failed counts on.

use std::time::Duration;

use domain::{AccountName, DailyLimits, Money, OwnerId};

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

/// What may be used of something in one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyLimit {
    /// Of what.
    pub key: DailyKey,
    /// How much. Without bounds it is counted all the same.
    pub limits: DailyLimits,
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
