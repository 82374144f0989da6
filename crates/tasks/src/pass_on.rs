//! What one process knows and another one has to act on: an upstream's id of a task, of which the store took no note in
//! time. It goes into the store's inbox as if a callback had named it, and whoever looks for the submission finds it there.

use domain::{AttemptOutcome, Task};
use sha2::{Digest as _, Sha256};
use store::{Heard, StoreError};

use crate::Writers;
use crate::shared::Shared;
use crate::spool::Fact;

/// Goes before what is digested, so that no callback of an upstream is taken for the same.
const DIGESTED: &str = "filmgate spool\0";

impl Shared {
    /// Sees to it that what is in the spool is stored soon: by ourselves where this process writes alone, or by whoever
    /// takes the task. What the store has, or has no use for any more, is forgotten.
    pub(crate) async fn replay_spool(&self) -> Result<(), StoreError> {
        let is_ours = self.settings.writers == Writers::Alone && !self.stopping.is_begun();
        for fact in self.spool.facts().into_iter().filter(|fact| !self.at_work.has(&fact.task)) {
            match self.store.load(&fact.task).await?.filter(|task| is_missed(task, &fact)) {
                None => self.forget_in_spool(&fact.task),
                Some(task) if is_ours => {
                    tracing::warn!(task_id = %task.id, "an upstream's id comes from the spool");
                    self.store.make_due(&task.id).await?;
                }
                Some(task) => self.pass_on(&task, &fact).await?,
            }
        }
        self.metrics.spooled(self.spool.len());
        Ok(())
    }

    /// Tells whoever works on the task of the upstream's id. The spool keeps it until the store has it.
    pub(crate) async fn pass_on(&self, task: &Task, fact: &Fact) -> Result<(), StoreError> {
        let attempt = task.attempts.iter().find(|attempt| attempt.number == fact.attempt);
        let Some(attempt) = attempt.filter(|_| !failpoints::removed("pass_on")) else { return Ok(()) };
        let heard = Heard {
            account: attempt.plan.account.clone(),
            digest: digest(fact),
            attempt: (fact.task.clone(), fact.attempt),
            handle: Some(fact.handle.clone()),
        };
        self.store.hear(&heard).await?;
        tracing::warn!(task_id = %fact.task, "an upstream's id is passed on to whoever works on the task");
        self.forget_in_spool(&fact.task);
        self.wake.notify_one();
        Ok(())
    }
}

/// Whether the task lives and the store has no id of that attempt.
fn is_missed(task: &Task, fact: &Fact) -> bool {
    let current = task.attempt().filter(|current| current.number == fact.attempt);
    let outcome = current.map(|current| &current.outcome);
    matches!(outcome, Some(AttemptOutcome::Intended | AttemptOutcome::Unknown { .. }))
        && !task.state.is_terminal()
}

fn digest(fact: &Fact) -> [u8; 32] {
    let named = format!("{DIGESTED}{}.{}\0{}", fact.task, fact.attempt, fact.handle);
    Sha256::digest(named).into()
}
