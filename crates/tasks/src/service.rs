//! What handlers may do with tasks. Making them is in `create.rs`, waiting for them in `follow.rs`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{AssetId, Client, Failure, FailureKind, OutputMedia, Scope, Task, TaskId, TaskState};
use store::ListTasks;
use translation::{ListQuery, ModelListing, Page};

use crate::assets::storage_failure;
use crate::shared::{Shared, store_failure};
use crate::{AssetFile, clock};

/// How long the answer to a wish to stop a task waits for the end: what nobody works on yet ends within moments.
const CANCEL_WAIT: Duration = Duration::from_millis(500);

/// The service behind all handlers. Cheap to clone.
#[derive(Clone)]
pub struct TaskService {
    pub(crate) shared: Arc<Shared>,
}

impl TaskService {
    /// The service over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The client's task of that id. Another client's task does not exist, nor does one of another scope than asked for.
    pub async fn get(
        &self,
        client: &Client,
        id: &TaskId,
        scope: Option<Scope>,
    ) -> Result<Arc<Task>, Failure> {
        let visible =
            |task: &Task| task.owner == client.owner && scope.is_none_or(|scope| scope == task.request.scope);
        self.look(id).await?.filter(|task| visible(task)).ok_or_else(no_such_task)
    }

    /// The task of that id, whoever's it is.
    pub(crate) async fn look(&self, id: &TaskId) -> Result<Option<Arc<Task>>, Failure> {
        if let Some(task) = self.shared.live.get(id) {
            return Ok(Some(task));
        }
        let stored = self.shared.store.load(id).await.map_err(|error| store_failure(&error))?;
        Ok(stored.map(Arc::new))
    }

    /// Some of the client's tasks.
    pub async fn list(&self, client: &Client, query: ListQuery) -> Result<Page, Failure> {
        let limit = query.limit;
        // One more than asked for tells whether others follow.
        let wanted = ListTasks {
            scope: query.scope,
            after: query.after,
            limit: limit.saturating_add(1),
            ascending: query.ascending,
        };
        let listed = self.shared.store.list(&client.owner, &wanted).await;
        let mut tasks = listed.map_err(|error| store_failure(&error))?;
        let has_more = tasks.len() > limit;
        tasks.truncate(limit);
        Ok(Page { tasks, has_more })
    }

    /// Notes that the client wants its task to stop; the task as it stands then, and whether it had ended before. What no
    /// upstream works on yet stops at once; an upstream is asked to stop, and may go on all the same.
    pub async fn cancel(&self, client: &Client, id: &TaskId) -> Result<(Arc<Task>, bool), Failure> {
        let task = self.get(client, id, None).await?;
        if task.state.is_terminal() {
            return Ok((task, true));
        }
        self.shared.store.request_cancel(id).await.map_err(|error| store_failure(&error))?;
        self.shared.wake.notify_one();
        Ok((self.wait(client, id, CANCEL_WAIT).await?, false))
    }

    /// Forgets the client's ended task and its results. What went into it may be in use elsewhere, and expires by itself.
    pub async fn forget(&self, client: &Client, id: &TaskId) -> Result<(), Failure> {
        let task = self.get(client, id, None).await?;
        if !task.state.is_terminal() {
            let text = "the task has not ended; only an ended task can be deleted";
            return Err(Failure::new(FailureKind::StillRunning, text));
        }
        if !self.shared.store.forget(id).await.map_err(|error| store_failure(&error))? {
            return Err(no_such_task());
        }
        for (asset, _) in stored_results(&task) {
            self.shared.store.drop_asset(asset).await.map_err(|error| store_failure(&error))?;
            self.shared.assets.remove(asset).await;
        }
        Ok(())
    }

    /// The models that some account serves.
    pub fn models(&self) -> Vec<ModelListing> {
        let setup = self.shared.setup.get();
        let served = setup.catalogue.iter().filter(|model| setup.router.serves(&model.name));
        served.map(ModelListing::from).collect()
    }

    /// The asset of that id, for whoever knows it, until it expires: ids cannot be guessed.
    pub async fn open_asset(&self, id: &AssetId) -> Result<AssetFile, Failure> {
        let absent = || Failure::new(FailureKind::NotFound, "no such file");
        let path = self.shared.assets.path(id).ok_or_else(absent)?;
        let record = self.shared.store.asset(id).await.map_err(|error| store_failure(&error))?;
        let valid = |record: &store::AssetRecord| record.expires_at.is_none_or(|end| clock::now() < end);
        let record = record.filter(valid).ok_or_else(absent)?;
        Ok(AssetFile { path, media_type: record.media_type, bytes: record.bytes })
    }

    /// The bytes of the results of a task, in order; none if they are more than the settings' `inline_result_bytes_max` in
    /// all, or cannot be read now: results that have been paid for are never a failure, and have URLs.
    pub async fn read_results(&self, task: &Task) -> Vec<Bytes> {
        self.try_read_results(task).await.unwrap_or_else(|failure| {
            tracing::warn!(task_id = %task.id, %failure, "results could not be read for a reply");
            Vec::new()
        })
    }

    async fn try_read_results(&self, task: &Task) -> Result<Vec<Bytes>, Failure> {
        let stored = stored_results(task);
        let bytes: u64 = stored.iter().map(|(_, bytes)| bytes).sum();
        if bytes > self.shared.settings.inline_result_bytes_max {
            return Ok(Vec::new());
        }
        let mut media = Vec::new();
        for (asset, _) in stored {
            let file = self.open_asset(asset).await?;
            let bytes = tokio::fs::read(&file.path).await.map_err(|error| storage_failure(&error))?;
            media.push(bytes.into());
        }
        Ok(media)
    }

    /// Whether tasks can be accepted right now.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.shared.store.ping().await.map_err(|error| store_failure(&error))
    }
}

fn no_such_task() -> Failure {
    Failure::new(FailureKind::NotFound, "no such task")
}

/// The results of a task that are in our storage, and their sizes.
fn stored_results(task: &Task) -> Vec<(&AssetId, u64)> {
    let outputs = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs.as_slice(),
        _ => &[],
    };
    let stored = outputs.iter().filter_map(|output| match &output.media {
        OutputMedia::Stored { asset, bytes, .. } => Some((asset, *bytes)),
        OutputMedia::Remote { .. } => None,
    });
    stored.collect()
}
