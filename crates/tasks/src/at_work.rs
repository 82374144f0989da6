//! Which tasks steps of this process work on. A lease can run out while its step lives: the store was away, or results
//! that were paid for could not be kept yet. The claim that is made then is that step's own, and nobody begins another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::TaskId;
use store::Claim;

/// The tasks, each with the claim that was made while its step lived.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<HashMap<TaskId, Option<Claim>>>>);

/// A task that is worked on, until this is dropped or has nothing more to do.
pub(crate) struct Work {
    at_work: AtWork,
    id: TaskId,
    is_done: bool,
}

impl AtWork {
    /// Begins work with `claim`; `None` if its task is worked on, and the claim is that step's then.
    pub(crate) fn begin(&self, claim: Claim) -> Option<(Work, Claim)> {
        let id = claim.task.id.clone();
        let mut tasks = self.tasks();
        if let Some(later) = tasks.get_mut(&id) {
            *later = Some(claim);
            return None;
        }
        tasks.insert(id.clone(), None);
        Some((Work { at_work: self.clone(), id, is_done: false }, claim))
    }

    /// Whether a step works on the task.
    pub(crate) fn has(&self, id: &TaskId) -> bool {
        self.tasks().contains_key(id)
    }

    /// The epoch of the claim that was made of the task since, if nobody has written it meanwhile.
    pub(crate) fn renewed(&self, id: &TaskId, version: u64) -> Option<u64> {
        let mut tasks = self.tasks();
        let later = tasks.get_mut(id)?;
        later.take_if(|claim| claim.task.version == version).map(|claim| claim.epoch)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Option<Claim>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// The claim to go on with after a step: one that came too late for it. `None` ends the work.
    pub(crate) fn next(&mut self) -> Option<Claim> {
        let mut tasks = self.at_work.tasks();
        let later = tasks.get_mut(&self.id).and_then(Option::take);
        if later.is_none() {
            tasks.remove(&self.id);
            self.is_done = true;
        }
        later
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // After a crash. What comes later is not this one's to remove.
        if !self.is_done {
            self.at_work.tasks().remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::TaskState;

    use super::*;
    use crate::live::tests::task;

    fn claim(epoch: u64) -> Claim {
        Claim { task: task("a", TaskState::Queued), epoch, cancel_requested: false, crashes: 0 }
    }

    #[test]
    fn a_claim_of_a_task_that_is_worked_on_is_its_steps() {
        let at_work = AtWork::default();
        let (mut work, first) = at_work.begin(claim(1)).unwrap();
        assert_eq!(first.epoch, 1);
        assert!(at_work.begin(claim(2)).is_none());
        assert!(at_work.has(&first.task.id));
        assert_eq!(at_work.renewed(&first.task.id, 0), Some(2));
        assert_eq!(at_work.renewed(&first.task.id, 0), None, "it is used");
        assert!(work.next().is_none());
        assert!(!at_work.has(&first.task.id));
        assert!(at_work.begin(claim(3)).is_some(), "the work has ended");
    }

    #[test]
    fn a_claim_that_the_step_did_not_use_is_gone_on_with() {
        let at_work = AtWork::default();
        let (mut work, first) = at_work.begin(claim(1)).unwrap();
        assert!(at_work.begin(claim(2)).is_none());
        assert_eq!(at_work.renewed(&first.task.id, 7), None, "somebody else has written the task");
        assert_eq!(work.next().map(|claim| claim.epoch), Some(2));
        assert!(work.next().is_none());
    }

    #[test]
    fn work_that_crashed_is_none_and_work_that_ended_removes_no_later_one() {
        let at_work = AtWork::default();
        drop(at_work.begin(claim(1)));
        let (mut second, _) = at_work.begin(claim(2)).unwrap();
        assert!(second.next().is_none());
        let (_third, _) = at_work.begin(claim(3)).unwrap();
        drop(second);
        assert!(at_work.begin(claim(4)).is_none());
    }
}
