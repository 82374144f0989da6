//! Deliveries as the store keeps them.

use std::time::Duration;

use domain::{TaskId, Timestamp};

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
