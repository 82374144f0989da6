//! Who waits for which task to change in this process. What another process changes is seen when they look again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::TaskId;
use tokio::sync::Notify;

/// The waiting, by task. Costs nothing for tasks that nobody waits for.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<HashMap<TaskId, Watched>>);

struct Watched {
    changed: Arc<Notify>,
    watches: usize,
}

/// One who waits. Dropped, it is forgotten.
pub(crate) struct Watch<'a> {
    watchers: &'a Watchers,
    id: TaskId,
    changed: Arc<Notify>,
}

impl Watchers {
    /// Waits for the task from now on.
    pub(crate) fn watch(&self, id: &TaskId) -> Watch<'_> {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watched =
            tasks.entry(id.clone()).or_insert_with(|| Watched { changed: Arc::default(), watches: 0 });
        watched.watches += 1;
        Watch { watchers: self, id: id.clone(), changed: Arc::clone(&watched.changed) }
    }

    /// Wakes all who wait for the task.
    pub(crate) fn changed(&self, id: &TaskId) {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = tasks.get(id) {
            watched.changed.notify_waiters();
        }
    }
}

impl Watch<'_> {
    /// The next change. Counts from the moment that the future is enabled, so: enable, look at the task, await.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut tasks = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = tasks.get_mut(&self.id) {
            watched.watches -= 1;
            if watched.watches == 0 {
                tasks.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_wait_for_a_task_hear_of_its_change_and_nobody_is_remembered() {
        let watchers = Watchers::default();
        let (a, b) = (TaskId::new("a"), TaskId::new("b"));
        let (first, second, other) = (watchers.watch(&a), watchers.watch(&a), watchers.watch(&b));
        let (mut one, mut two, mut three) =
            (Box::pin(first.changed()), Box::pin(second.changed()), Box::pin(other.changed()));
        for waiting in [&mut one, &mut two, &mut three] {
            waiting.as_mut().enable();
        }
        watchers.changed(&a);
        one.await;
        two.await;
        assert!(!three.as_mut().enable(), "nothing happened to b");
        drop(three);
        drop((first, second, other));
        assert!(watchers.0.lock().unwrap().is_empty());
    }
}
