//! What the store knows of tasks after their end, and of those that crash whoever works on them.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, Money, Output, OwnerId, Task, TaskId, Timestamp};

use crate::StoreError;
use crate::entries::Late;
use crate::rows::encode_json;

/// Ended tasks whose upstreams may still be at work. A watch is begun by the end of its task ([`crate::Tasks::advance`]).
#[async_trait]
pub trait LateWork: Send + Sync {
    /// Takes up to `max` ended tasks whose upstreams may still be at work and are to be asked, oldest due first. Until
    /// `lease` has passed or they are settled, nobody else gets them. Each claim gets a new epoch.
    async fn claim_late(&self, lease: Duration, max: usize) -> Result<Vec<LateClaim>, StoreError>;

    /// Notes what a look at a claimed one's upstream has shown, with what that does to the money: once, in one transaction.
    /// The end of the task stays as it is. A claim that is no longer held changes nothing: [`StoreError::Stale`].
    async fn settle_late(&self, claim: &LateClaim, word: &LateWord) -> Result<(), StoreError>;

    /// Until the next ended task is to be looked at, or the next lease runs out; `None` if none is watched.
    async fn next_late_in(&self) -> Result<Option<Duration>, StoreError>;

    /// Up to `max` results that came after the end of their tasks, latest first.
    async fn late_results(&self, max: usize) -> Result<Vec<LateResult>, StoreError>;
}

/// A task that has ended while its upstream may still be at work; only its holder may say what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LateClaim {
    /// The task as stored; also one that its owner has forgotten.
    pub task: Task,
    /// What proves the claim.
    pub epoch: u64,
    /// Whether the time of the watch is over, so that this look is the last.
    pub is_last: bool,
}

/// What a look at the upstream of an ended task has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LateWord {
    /// Nothing definite: it is looked at again after this long, or when the time of the watch is over.
    NothingYet {
        /// The delay.
        after: Duration,
    },
    /// It has finished. What it costs is spent of what is still set aside for the task, else added as a late adjustment.
    Finished {
        /// The results, which are kept.
        outputs: Vec<Output>,
        /// What it costs.
        price: Money,
        /// The upstream's own id of the task, for its bill.
        handle: String,
    },
    /// It has definitely failed. What is still set aside for the task is free again.
    Failed,
    /// Nobody will ever know. What is still set aside for the task stays so.
    GivenUp,
}

/// What came after the end of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateResult {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Its public model.
    pub model: String,
    /// Who did the work.
    pub account: AccountName,
    /// What was spent on it.
    pub amount: Money,
    /// The results.
    pub outputs: Vec<Output>,
    /// When it was noticed.
    pub at: Timestamp,
}

/// A live task whose holders were gone, again and again, before their claims came to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashingTask {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Its public model.
    pub model: String,
    /// The name of its state.
    pub state: String,
    /// How often in a row.
    pub crashes: u32,
    /// When it ends at the latest.
    pub deadline_at: Timestamp,
}

/// What is written when a watch is settled, for every back end.
#[derive(Debug)]
pub(crate) struct Settled {
    /// When it is looked at again; absent if the watch is over.
    pub(crate) after: Option<Duration>,
    /// What came late, in JSON.
    pub(crate) outputs: Option<String>,
    pub(crate) money: Option<Late>,
}

impl Settled {
    pub(crate) fn encode(task: &Task, word: &LateWord) -> Result<Self, StoreError> {
        Ok(match word {
            LateWord::NothingYet { after } => Self { after: Some(*after), outputs: None, money: None },
            LateWord::Finished { outputs, price, handle } => Self {
                after: None,
                outputs: Some(encode_json(outputs)?),
                money: Some(Late::charged(task, *price, handle)),
            },
            LateWord::Failed => Self { after: None, outputs: None, money: Some(Late::free_of_charge(task)) },
            LateWord::GivenUp => Self { after: None, outputs: None, money: None },
        })
    }
}
