//! How much a client or an account may use: requests a minute, and tasks at one time.
//!
//! The rate is GCRA (governor): a key may burst up to its whole limit, and then gets one request back every
//! `60 s / limit`. Slots are counted per key and given back by dropping a [`Permit`].

mod rate;
mod slots;

use domain::{AccountName, OwnerId};

pub use rate::{RateDecision, RateLimits};
pub use slots::{Permit, Slots};

/// Whose budget is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// A client's, by its key.
    Client(OwnerId),
    /// Ours at an upstream.
    Account(AccountName),
}
