//! What the operator may do over the network, with a credential of its own.

mod accounts;
mod credentials;
mod deliveries;
mod keys;
mod late;
mod ledger;
mod limits;
mod page;
mod schema;
mod span;
mod status;
mod task_view;
mod tasks;

use std::sync::Arc;
use std::time::Instant;

use domain::{AccountName, Failure, FailureKind};
use routing::Condition;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock;
use crate::daily::Days;
use crate::explain::{Circumstances, Explanation, Question, explain_under};
use crate::reload::{Reloaded, Reloads};
use crate::shared::{Shared, store_failure};

pub use accounts::AccountView;
pub use credentials::{Grant, GrantView, NewToken, NotDerived, Operators, Token};
pub use deliveries::{DeliveryQuery, DeliveryStateName, DeliveryView, Replayed};
pub use keys::{CreatedKey, KeyView, KeyWish, TodayView};
pub use late::LateView;
pub use ledger::{
    HeldView, LedgerQuery, RowView, Settle, Settled, SummedBy, TotalView, TotalsQuery, Verdict, WorkQuery,
    WorkView,
};
pub use limits::{LimitKind, LimitQuery, LimitView};
pub use page::{Listed, Page, PageQuery};
pub(crate) use schema::{Amount, ResultScope};
pub use span::{span_end, span_start};
pub use status::StatusView;
pub use task_view::{AttemptView, FailureView, TaskView};
pub use tasks::{QuarantinedView, StateName, TaskDetails, TaskQuery, TaskRow};

/// The service behind the operator's API. Cheap to clone.
#[derive(Clone)]
pub struct Operator {
    shared: Arc<Shared>,
    deployment: Arc<Deployment>,
    started: Instant,
    reloads: Option<Reloads>,
}

/// What the running program is.
#[derive(Debug, Clone, Default)]
pub struct Deployment {
    /// Its version.
    pub version: &'static str,
    /// How tasks are kept: `embedded` or `postgres`.
    pub store: &'static str,
    /// What the ledger is in.
    pub currency: String,
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReloadView {
    /// `applied`, or `unchanged` if it says what it said before.
    pub outcome: &'static str,
    /// Counts the versions that were applied since the start.
    pub revision: Option<u64>,
    /// Keys that say something else than at the start and are read only then.
    pub at_next_start: Vec<String>,
}

impl Operator {
    /// The operator's service over `shared`, which has just been started.
    pub fn new(shared: Arc<Shared>, deployment: Deployment) -> Self {
        Self { shared, deployment: Arc::new(deployment), started: Instant::now(), reloads: None }
    }

    /// The same, who may also have the configuration read again, where somebody does that.
    #[must_use]
    pub fn reloading(self, reloads: Option<Reloads>) -> Self {
        Self { reloads, ..self }
    }

    /// Who presents that credential, and what they may do.
    ///
    /// # Errors
    /// The same for all that is not a good credential.
    pub fn authenticate(&self, presented: Option<&str>) -> Result<Grant, Failure> {
        self.shared.setup.get().operators.authenticate(presented, clock::now())
    }

    /// A token that may do what `wish` says, for whoever has that grant.
    ///
    /// # Errors
    /// If it would do more than the grant allows, or cannot be.
    pub fn derive_token(&self, grant: &Grant, wish: &NewToken) -> Result<Token, NotDerived> {
        grant.derive(wish, clock::now())
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
}
