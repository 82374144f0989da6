//! The seam: what every back end promises.

use async_trait::async_trait;
use domain::TaskId;
use tokio::sync::broadcast;

use crate::{
    Assets, Books, Callbacks, Deliveries, Inspections, Keys, LateWork, Operations, Retention, Tasks,
};

/// Durable tasks and what belongs to them. What a method has answered with `Ok` survives the loss of the process and of
/// power.
///
/// The traits are faces of one store, never stores of their own: a transaction that crosses two of them belongs to the one
/// whose caller begins it, and no caller makes one effect of two calls.
#[async_trait]
pub trait Store:
    Tasks + Callbacks + Deliveries + LateWork + Books + Keys + Assets + Retention + Operations + Inspections
{
    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What other processes on the same store have changed, from now on; `None` where there are none, or where the back
    /// end cannot tell. It may miss changes, and is only there to look sooner: whoever waits looks by itself, too.
    fn nudges(&self) -> Option<broadcast::Receiver<Nudge>>;
}

/// What another process has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nudge {
    /// A task may be due that nobody holds.
    Due,
    /// This task has another version.
    Changed(TaskId),
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was faster, or the claim is no longer held. Nothing was changed.
    #[error("the task was changed by another writer or the claim is no longer held")]
    Stale,
    /// Something of that name exists.
    #[error("{0} exists")]
    Conflict(String),
    /// A second possibly live attempt of one task, which could cost twice. Nothing was changed.
    #[error("the task already has a live attempt")]
    SecondLiveAttempt,
    /// Another attempt of that account has that handle: two attempts cannot be one piece of work. Nothing was changed.
    #[error("the handle belongs to another attempt")]
    HandleTaken,
    /// A stored value cannot be read; the text names the row.
    #[error("cannot read stored {0}")]
    Corrupt(String),
    /// The store is shutting down or overloaded; nothing was changed.
    #[error("the store does not take writes: {0}")]
    Unavailable(String),
    /// The back end failed.
    #[error("{operation} failed")]
    Backend {
        /// What was being done.
        operation: &'static str,
        /// The back end's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
