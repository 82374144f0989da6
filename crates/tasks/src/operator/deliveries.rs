//! Messages to clients' own servers, as the operator sees them.

use domain::{Failure, FailureKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DeliveryState;

use super::Operator;
use super::page::{self, Listed, Page};
use crate::shared::store_failure;

/// Which messages are wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryQuery {
    /// How they stand; `dead` if absent.
    pub state: DeliveryStateName,
    /// What an answer called next.
    pub after: Option<String>,
    /// At most so many, from 1 to 1000; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<usize>,
}

/// How a message may stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum DeliveryStateName {
    /// It is to be tried, or tried again.
    Waiting,
    /// Its receiver has it.
    Delivered,
    /// It was tried for the last time, unless somebody replays it.
    #[default]
    Dead,
}

/// A message to a client's own server. What it says is the client's affair: there is no body in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeliveryView {
    /// What the receiver knows repetitions by.
    pub id: String,
    /// Whose end it tells.
    pub task: String,
    /// `waiting`, `delivered` or `dead`.
    pub state: &'static str,
    /// How often it was tried.
    pub tries: u32,
    /// What became of the last try, if it failed.
    pub last_error: Option<String>,
    /// Where it goes.
    pub url: String,
    /// When its task ended, in milliseconds since the Unix epoch.
    pub created_at_ms: i64,
}

/// How many messages are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replayed {
    /// That many.
    pub replayed: u64,
}

impl Listed for DeliveryView {
    const PLURAL: &'static str = "deliveries";
}

impl Operator {
    /// Messages that stand so, newest first.
    pub async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<DeliveryView>, Failure> {
        let max = page::size(query.max)?;
        let state = match query.state {
            DeliveryStateName::Waiting => DeliveryState::Waiting,
            DeliveryStateName::Delivered => DeliveryState::Delivered,
            DeliveryStateName::Dead => DeliveryState::Dead,
        };
        // One more tells whether others follow.
        let listed = self.shared.store.deliveries_before(state, query.after.as_deref(), max + 1).await;
        let listed = listed.map_err(|error| store_failure(&error))?;
        Ok(Page::of_more(listed, max, |last| last.message.id.clone()).map(DeliveryView::of))
    }

    /// The message of that id.
    pub async fn delivery(&self, id: &str) -> Result<DeliveryView, Failure> {
        let found = self.shared.store.delivery(id).await.map_err(|error| store_failure(&error))?;
        let unknown = || Failure::new(FailureKind::NotFound, "no delivery of that id");
        found.map(DeliveryView::of).ok_or_else(unknown)
    }

    /// Makes dead messages due at once, with all their tries before them: the one of that id, or all. One that is not dead is
    /// a failure.
    pub async fn replay(&self, id: Option<&str>) -> Result<Replayed, Failure> {
        let replayed =
            self.shared.store.replay_deliveries(id).await.map_err(|error| store_failure(&error))?;
        if replayed == 0 && id.is_some() {
            return Err(Failure::new(FailureKind::NotFound, "no dead delivery of that id"));
        }
        self.shared.wake_deliverer.notify_one();
        Ok(Replayed { replayed })
    }
}

impl DeliveryView {
    pub(super) fn of(delivery: store::Delivery) -> Self {
        Self {
            id: delivery.message.id,
            task: delivery.task.to_string(),
            state: delivery.state.as_str(),
            tries: delivery.tries,
            last_error: delivery.last_error,
            url: delivery.message.url,
            created_at_ms: delivery.created_at.as_millis(),
        }
    }
}
