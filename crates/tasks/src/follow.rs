//! Following a task to its end. Who follows one costs a future and no look at the store: each write of this process is
//! told to all who follow (`watch.rs`), and looking again is for what this process cannot know.

use std::sync::Arc;
use std::time::Duration;

use domain::{Client, Failure, Scope, Task, TaskId};
use tokio::time::{sleep, timeout};

use crate::watch::Watch;
use crate::{TaskService, Writers};

/// How often a task is looked at that another process may have changed. Once for all who follow it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// The same where this process is the only writer: for a write whose outcome it does not know.
const LOOK_AGAIN_ALONE_AFTER: Duration = Duration::from_secs(15);

/// A task as it was seen last.
pub struct Following {
    service: TaskService,
    watch: Watch,
    task: Arc<Task>,
}

impl TaskService {
    /// Follows the client's task of that id from now on.
    pub async fn follow(
        &self,
        client: &Client,
        id: &TaskId,
        scope: Option<Scope>,
    ) -> Result<Following, Failure> {
        let watch = self.shared.watchers.watch(id);
        let task = self.get(client, id, scope).await?;
        Ok(Following { service: self.clone(), watch, task })
    }

    /// The client's task of that id when it has ended, or as it stands after `at_most`.
    pub async fn wait(&self, client: &Client, id: &TaskId, at_most: Duration) -> Result<Arc<Task>, Failure> {
        let mut following = self.follow(client, id, None).await?;
        match timeout(at_most, following.ended()).await {
            Ok(()) => Ok(following.task),
            Err(_elapsed) => self.get(client, id, None).await,
        }
    }
}

impl Following {
    /// The task as it was seen last.
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// Returns when the task has a version that was not seen. Can be dropped and asked again without missing one.
    pub async fn changed(&mut self) {
        let period = self.service.look_again_after();
        loop {
            // Spread, so that those who came together do not look together.
            let look_again = sleep(period.mul_f64(1.0 + fastrand::f64() / 4.0));
            let seen = tokio::select! {
                biased;
                task = self.watch.changed() => Some(task),
                () = look_again => self.look(period).await,
            };
            if let Some(task) = seen.filter(|task| task.version > self.task.version) {
                self.task = task;
                return;
            }
        }
    }

    /// Returns when the task has ended.
    async fn ended(&mut self) {
        while !self.task.state.is_terminal() {
            self.changed().await;
        }
    }

    /// Looks at the task, unless another one who follows it has just done so.
    async fn look(&self, period: Duration) -> Option<Arc<Task>> {
        if !self.watch.looks_for_all(period) {
            return None;
        }
        // A store that is away now is asked again after the next period.
        let task = self.service.look(&self.task.id).await.ok().flatten()?;
        self.watch.tell(&task);
        Some(task)
    }
}

impl TaskService {
    fn look_again_after(&self) -> Duration {
        match self.shared.settings.writers {
            Writers::Alone => LOOK_AGAIN_ALONE_AFTER,
            Writers::Several => LOOK_AGAIN_AFTER,
        }
    }
}
