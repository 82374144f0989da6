//! Who waits for which task to change in this process, and what they know of it together. What another process changes is
//! told by the store, where it can, and else seen when one of them looks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Task, TaskId};
use tokio::sync::watch;
use tokio::time::Instant;

/// The waiting, by task. Costs nothing for tasks that nobody waits for. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<HashMap<TaskId, Watched>>>);

struct Watched {
    latest: watch::Sender<Option<Arc<Task>>>,
    watches: usize,
    looked_at: Instant,
}

/// One who waits. Dropped, it is forgotten.
pub(crate) struct Watch {
    watchers: Watchers,
    id: TaskId,
    latest: watch::Receiver<Option<Arc<Task>>>,
}

impl Watchers {
    /// Waits for the task from now on: whoever looks at it after this misses no change.
    pub(crate) fn watch(&self, id: &TaskId) -> Watch {
        let mut tasks = self.tasks();
        let watched = tasks.entry(id.clone()).or_insert_with(|| Watched {
            latest: watch::Sender::new(None),
            watches: 0,
            looked_at: Instant::now(),
        });
        watched.watches += 1;
        Watch { watchers: self.clone(), id: id.clone(), latest: watched.latest.subscribe() }
    }

    /// Whether anyone waits for that task.
    pub(crate) fn are_there_for(&self, id: &TaskId) -> bool {
        self.tasks().contains_key(id)
    }

    /// Tells all who wait for the task what was seen, if it is news.
    pub(crate) fn tell(&self, task: &Arc<Task>) {
        let tasks = self.tasks();
        let Some(watched) = tasks.get(&task.id) else { return };
        watched.latest.send_if_modified(|latest| {
            let is_news = latest.as_ref().is_none_or(|latest| latest.version < task.version);
            if is_news {
                *latest = Some(Arc::clone(task));
            }
            is_news
        });
    }

    /// Tells all who wait for the task how it is stored now.
    pub(crate) fn changed(&self, task: &Task) {
        if let Some(watched) = self.tasks().get(&task.id) {
            watched.latest.send_replace(Some(Arc::new(task.clone())));
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The task after its next change, seen by anyone. Can be dropped and asked again without missing one.
    pub(crate) async fn changed(&mut self) -> Arc<Task> {
        loop {
            self.latest.changed().await.expect("the sender stays for as long as anyone watches");
            if let Some(task) = self.latest.borrow_and_update().clone() {
                return task;
            }
        }
    }

    /// Whether this one shall look at the store for all who wait for the task: nobody has within `period`.
    pub(crate) fn looks_for_all(&self, period: Duration) -> bool {
        let mut tasks = self.watchers.tasks();
        let Some(watched) = tasks.get_mut(&self.id) else { return true };
        let is_due = watched.looked_at.elapsed() >= period;
        if is_due {
            watched.looked_at = Instant::now();
        }
        is_due
    }

    /// Tells the others what was seen, if it is news.
    pub(crate) fn tell(&self, task: &Arc<Task>) {
        self.watchers.tell(task);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut tasks = self.watchers.tasks();
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
    use crate::live::tests::task;

    const PERIOD: Duration = Duration::from_secs(2);

    fn version(version: u64) -> Task {
        Task { version, ..task("a", domain::TaskState::Queued) }
    }

    #[tokio::test]
    async fn all_who_wait_for_a_task_hear_of_its_change_and_nobody_is_remembered() {
        let watchers = Watchers::default();
        let (a, b) = (TaskId::new("a"), TaskId::new("b"));
        let (mut first, mut second, mut other) = (watchers.watch(&a), watchers.watch(&a), watchers.watch(&b));
        watchers.changed(&version(1));
        assert_eq!(first.changed().await.version, 1);
        watchers.changed(&version(2));
        assert_eq!(first.changed().await.version, 2);
        assert_eq!(second.changed().await.version, 2, "only the newest counts");
        let nothing = tokio::time::timeout(Duration::ZERO, other.changed()).await;
        assert!(nothing.is_err(), "nothing happened to b");
        drop((first, second, other));
        assert!(watchers.tasks().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_looks_for_all_and_tells_them() {
        let watchers = Watchers::default();
        let id = TaskId::new("a");
        let (mut first, second) = (watchers.watch(&id), watchers.watch(&id));
        assert!(!first.looks_for_all(PERIOD), "it was looked at when the first began to wait");
        tokio::time::advance(PERIOD).await;
        assert!(second.looks_for_all(PERIOD));
        assert!(!first.looks_for_all(PERIOD), "the second does");
        watchers.changed(&version(5));
        second.tell(&Arc::new(version(4)));
        assert_eq!(first.changed().await.version, 5, "what is older than what is known is no news");
        second.tell(&Arc::new(version(6)));
        assert_eq!(first.changed().await.version, 6);
    }
}
