//! The live tasks as this process wrote them last, so that most polls need not read the store. Only right where no
//! other process writes the same store; bounded, and what is not in it is read from the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use domain::{Task, TaskId};

/// The view.
pub(crate) struct LiveView {
    tasks: RwLock<HashMap<TaskId, Arc<Task>>>,
    tasks_max: usize,
}

impl LiveView {
    /// A view of at most `tasks_max` tasks; 0 for none.
    pub(crate) fn new(tasks_max: usize) -> Self {
        Self { tasks: RwLock::default(), tasks_max }
    }

    /// The task, if it is live and in the view.
    pub(crate) fn get(&self, id: &TaskId) -> Option<Arc<Task>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Shows `task` as it is stored now. Ended tasks leave the view.
    pub(crate) fn show(&self, task: &Task) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        if task.state.is_terminal() {
            tasks.remove(&task.id);
        } else if tasks.len() < self.tasks_max || tasks.contains_key(&task.id) {
            tasks.insert(task.id.clone(), Arc::new(task.clone()));
        }
    }

    /// Forgets a task of which it is not known how it is stored.
    pub(crate) fn forget(&self, id: &TaskId) {
        self.tasks.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::{GenerationRequest, OwnerId, Scope, TaskState, Timestamp};

    use super::*;

    /// A task of that id in that state.
    pub(crate) fn task(id: &str, state: TaskState) -> Task {
        Task {
            id: TaskId::new(id),
            owner: OwnerId::new("o"),
            dialect: "v2".into(),
            request: GenerationRequest::new(Scope::Videos, "m", "p"),
            state,
            attempts: vec![],
            created_at: Timestamp::from_millis(0),
            deadline_at: Timestamp::from_millis(1),
            quote: domain::Quote::default(),
            version: 0,
        }
    }

    #[test]
    fn the_view_is_bounded_and_holds_live_tasks_only() {
        let view = LiveView::new(1);
        let now = Timestamp::from_millis(1);
        view.show(&task("a", TaskState::Queued));
        view.show(&task("b", TaskState::Queued));
        assert!(view.get(&TaskId::new("b")).is_none(), "there is room for one");
        view.show(&task("a", TaskState::Submitting { since: now }));
        assert_eq!(view.get(&TaskId::new("a")).unwrap().state.name(), "submitting");
        view.show(&task("a", TaskState::Expired { at: now }));
        assert!(view.get(&TaskId::new("a")).is_none());
        view.show(&task("b", TaskState::Queued));
        view.forget(&TaskId::new("b"));
        assert!(view.get(&TaskId::new("b")).is_none());
    }
}
