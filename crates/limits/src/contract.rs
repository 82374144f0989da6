//! What a limiter promises, whichever keeps the counts.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, LimitStatus, OwnerId, TaskId};

use crate::Rate;

/// Whose budget is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// A client's, by its key.
    Client(OwnerId),
    /// A client's for one public model.
    ClientModel(OwnerId, String),
    /// Ours at an upstream.
    Account(AccountName),
    /// Ours at all accounts of one kind of upstream, by its name.
    Provider(String),
}

/// Exact limits on requests a minute and on tasks at one time.
///
/// A decision names each key once. A caller that drops a decision before it is made must take it for counted.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts one request against all of `rates`, if each has room for it; else against none.
    async fn check(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict;

    /// Takes a slot of each of `slots` for `task`, if each has fewer than its bound in use; else takes none. Slots that the
    /// task holds already are not counted again. They are its own for `lease` from now; renew them with [`Self::hold`].
    async fn acquire(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict;

    /// Counts slots that are in use, whatever the bounds are: renews leases, and restores them after a restart. Each ends
    /// `lease` from now.
    async fn hold(&self, holdings: &[Holding], lease: Duration);

    /// Gives slots back. What the task does not hold is left as it is.
    async fn release(&self, holding: &Holding);

    /// How many slots of `key` are in use.
    async fn in_use(&self, key: &LimitKey) -> u32;

    /// Whether other gateways count by it too. What one gateway counts alone, its store may count as well.
    fn is_shared(&self) -> bool {
        false
    }

    /// Hears of a task that was refused by a store that counts some limit of `key` itself; `kind` is which: `tasks`, `budget`,
    /// `tasks_of_day` or `spend_of_day`. Only for those who count refusals.
    fn note_refusal(&self, _key: &LimitKey, _kind: &'static str) {}
}

impl LimitKey {
    /// Which kind of limit it is, for metrics: `client`, `client_model`, `account` or `provider`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::ClientModel(..) => "client_model",
            Self::Account(_) => "account",
            Self::Provider(_) => "provider",
        }
    }
}

/// The slots that one task holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who holds them.
    pub task: TaskId,
    /// One slot of each.
    pub keys: Vec<LimitKey>,
}

/// Where one of the limits of a decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which of the limits that were named, from 0.
    pub index: usize,
    /// What it said.
    pub status: LimitStatus,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateVerdict {
    /// It may, and was counted. The limit with the least remaining is told; there is none if none was named.
    Allowed(Option<Standing>),
    /// It may not, and was not counted.
    Refused {
        /// The limit that makes it wait longest.
        by: Standing,
        /// When this limit would let one more request pass.
        retry_after: Duration,
    },
    /// Nobody can say, because shared limits are away and the settings say to refuse then. It was not counted.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Whether a task got its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotVerdict {
    /// It holds all of them.
    Taken,
    /// It got none.
    Full {
        /// The first of the limits named that has no room, from 0.
        index: usize,
        /// How many slots of it are in use.
        in_use: u32,
    },
    /// It got none: shared limits are away, and the settings say to refuse then.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
}
