//! What the operator may do over the network, with a key of its own.

mod accounts;
mod task_view;

use std::sync::Arc;

use domain::{AccountName, Credential, Failure, FailureKind, TaskId};
use routing::Condition;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::DeliveryState;
use subtle::ConstantTimeEq as _;

use crate::daily::Days;
use crate::explain::{Circumstances, Explanation, Question, explain_under};
use crate::reload::{Reloaded, Reloads};
use crate::shared::{Shared, store_failure};

pub use accounts::AccountView;
pub use task_view::{AttemptView, FailureView, TaskView};

/// The service behind the operator's API. Cheap to clone.
#[derive(Clone)]
pub struct Operator {
    shared: Arc<Shared>,
    key_digest: Option<[u8; 32]>,
    reloads: Option<Reloads>,
}

/// A message to a client's own server, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReloadView {
    /// `applied`, or `unchanged` if it says what it said before.
    pub outcome: &'static str,
    /// Counts the versions that were applied since the start.
    pub revision: Option<u64>,
    /// Keys that say something else than at the start and are read only then.
    pub at_next_start: Vec<String>,
}

impl Operator {
    /// The operator's service over `shared`. Without a `key` nobody is the operator.
    pub fn new(shared: Arc<Shared>, key: Option<&Credential>) -> Self {
        Self { shared, key_digest: key.map(|key| Sha256::digest(key.expose()).into()), reloads: None }
    }

    /// The same, who may also have the configuration read again, where somebody does that.
    #[must_use]
    pub fn reloading(self, reloads: Option<Reloads>) -> Self {
        Self { reloads, ..self }
    }

    /// Whether who presented that key may go on. Takes the same time for every wrong key.
    pub fn authorize(&self, presented: Option<&str>) -> Result<(), Failure> {
        let refused = |text| Err(Failure::new(FailureKind::Unauthorized, text));
        let Some(expected) = &self.key_digest else {
            return refused("the operator's API has no key: set server.admin_key");
        };
        let presented: [u8; 32] = Sha256::digest(presented.unwrap_or_default()).into();
        if bool::from(presented.ct_eq(expected)) {
            Ok(())
        } else {
            refused("missing or invalid operator key")
        }
    }

    /// The task of that id, whoever it belongs to.
    pub async fn task(&self, id: &str) -> Result<TaskView, Failure> {
        let found = self.shared.store.load(&TaskId::new(id)).await.map_err(|error| store_failure(&error))?;
        let unknown = || Failure::new(FailureKind::NotFound, "no task of that id");
        found.map(|task| TaskView::of(&task)).ok_or_else(unknown)
    }

    /// What would become of a request now.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, Failure> {
        let (shared, setup) = (&self.shared, self.shared.setup.get());
        let in_use = self.in_use(&setup).await;
        let days = Days::today(shared, &setup).await.map_err(|error| store_failure(&error))?;
        let is_full = |name: &AccountName| {
            let account = setup.accounts.get(name).zip(in_use.get(name));
            account.is_some_and(|(account, in_use)| *in_use >= account.concurrent_tasks)
        };
        let circumstances = Circumstances {
            condition: &|candidate, price| Condition {
                is_full: is_full(&candidate.account) || days.is_full(&candidate.account, price),
                ..shared.health.condition(&setup, candidate)
            },
            turn: &|model| shared.health.turn(model),
            are_live: true,
        };
        explain_under(&circumstances, (&setup, &shared.settings.base_url), question)
    }

    /// Has the configuration read again and applied, as far as that may be while the gateway runs. One that cannot be used
    /// changes nothing; the failure names its problems.
    pub async fn reload(&self) -> Result<ReloadView, Failure> {
        let reloaded = match &self.reloads {
            Some(reloads) => reloads.reload().await,
            None => None,
        };
        match reloaded {
            Some(Reloaded::Applied { revision, at_next_start }) => {
                Ok(ReloadView { outcome: "applied", revision: Some(revision), at_next_start })
            }
            Some(Reloaded::Unchanged) => {
                Ok(ReloadView { outcome: "unchanged", revision: None, at_next_start: Vec::new() })
            }
            Some(Reloaded::Failed { problems }) => Err(Failure::invalid("config", problems.join("\n"))),
            None => Err(Failure::new(FailureKind::Overloaded, "nobody reads the configuration here")),
        }
    }

    /// Up to `max` messages in that state, latest first.
    pub async fn deliveries(&self, state: &str, max: usize) -> Result<Vec<DeliveryView>, Failure> {
        let Some(state) = DeliveryState::parse(state) else {
            return Err(Failure::invalid("state", "state: one of waiting, delivered, dead"));
        };
        let listed = self.shared.store.deliveries(state, max).await.map_err(|error| store_failure(&error))?;
        let view = |delivery: store::Delivery| DeliveryView {
            id: delivery.message.id,
            task: delivery.task.as_str().to_owned(),
            state: delivery.state.as_str(),
            tries: delivery.tries,
            last_error: delivery.last_error,
            url: delivery.message.url,
            created_at_ms: delivery.created_at.as_millis(),
        };
        Ok(listed.into_iter().map(view).collect())
    }

    /// Makes dead messages due at once, with all their tries before them: the one of that id, or all. How many there were;
    /// one that is not dead is a failure.
    pub async fn replay(&self, id: Option<&str>) -> Result<u64, Failure> {
        let replayed =
            self.shared.store.replay_deliveries(id).await.map_err(|error| store_failure(&error))?;
        if replayed == 0 && id.is_some() {
            return Err(Failure::new(FailureKind::NotFound, "no dead delivery of that id"));
        }
        self.shared.wake_deliverer.notify_one();
        Ok(replayed)
    }
}
