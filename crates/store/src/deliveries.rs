//! Deliveries as the store keeps them.

use std::time::Duration;

use async_trait::async_trait;
use domain::{TaskId, Timestamp};

use crate::StoreError;

/// Messages to clients' own servers. A message is stored by the end of its task ([`crate::Tasks::advance`]).
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Takes up to `max` due messages for `holder`, oldest due first, but none to a host of `busy`. Until `lease` has
    /// passed or they are settled, nobody else gets them.
    async fn claim_deliveries(
        &self,
        holder: &str,
        lease: Duration,
        max: usize,
        busy: &[String],
    ) -> Result<Vec<DeliveryClaim>, StoreError>;

    /// Notes what became of a try of a claimed message. A claim that is no longer held changes nothing: [`StoreError::Stale`].
    async fn settle_delivery(&self, id: &str, epoch: u64, tried: &Tried) -> Result<(), StoreError>;

    /// Until the next message is due, to whichever host; `None` if none waits.
    async fn next_delivery_in(&self) -> Result<Option<Duration>, StoreError>;

    /// Up to `max` messages in that state, latest first.
    async fn deliveries(&self, state: DeliveryState, max: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Makes dead messages due at once, with all their tries before them: the one of that id, or all. How many there were.
    async fn replay_deliveries(&self, id: Option<&str>) -> Result<u64, StoreError>;
}

/// A message that is stored when its task ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// What the receiver knows repetitions by.
    pub id: String,
    /// The host of `url`, with its port: those of one host wait for each other.
    pub host: String,
    /// Where it goes.
    pub url: String,
    /// Of the body.
    pub content_type: String,
    /// The message; it is sent as it stands, however often.
    pub body: Vec<u8>,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: NewDelivery,
    /// Whose end it tells.
    pub task: TaskId,
    /// When that was.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// How it stands.
    pub state: DeliveryState,
    /// What became of the last try, if it failed.
    pub last_error: Option<String>,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried, or tried again.
    Waiting,
    /// Its receiver has it.
    Delivered,
    /// It was tried for the last time, unless somebody replays it.
    Dead,
}

impl DeliveryState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == text)
    }
}

/// A message that only its holder may settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// The message as stored.
    pub delivery: Delivery,
    /// What proves the claim.
    pub epoch: u64,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The receiver has it.
    Delivered,
    /// It failed, and is tried again.
    Again {
        /// When.
        after: Duration,
        /// What happened.
        error: String,
    },
    /// It failed for the last time.
    Dead {
        /// What happened.
        error: String,
    },
}
