//! What handlers may do with tasks.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    AssetId, Client, Draft, DraftInput, DraftMedia, Failure, FailureKind, GenerationRequest, Input, Media,
    Scope, Task, TaskId, TaskState, media_type_of_bytes,
};
use store::{Admission, AssetRecord};
use tokio::io::AsyncWriteExt as _;
use translation::ModelListing;

use crate::assets::storage_failure;
use crate::shared::{Shared, store_failure};
use crate::{AssetFile, clock};

/// Suggested to a client that has too many tasks: the usual length of a fast generation's last part.
const AT_LIMIT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service behind all handlers. Cheap to clone.
#[derive(Clone)]
pub struct TaskService {
    shared: Arc<Shared>,
}

impl TaskService {
    /// The service over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Accepts a task: when this returns it, it is durable. Nothing has been submitted yet.
    pub async fn create(&self, client: &Client, dialect: &str, draft: Draft) -> Result<Task, Failure> {
        let model = self.shared.catalogue.resolve(&draft)?;
        if !self.shared.router.serves(&model.name) {
            let text = format!("model: \"{}\" is not served by this gateway", model.name);
            return Err(Failure::new(FailureKind::ModelNotFound, text));
        }
        let roles = model.roles(&draft.inputs);
        let model = model.name.clone();
        let mut inputs = Vec::with_capacity(draft.inputs.len());
        for (input, role) in draft.inputs.into_iter().zip(roles) {
            inputs.push(Input { role, media: self.keep_input(client, input).await? });
        }
        let created_at = clock::now();
        let task = Task {
            id: TaskId::new(uuid::Uuid::now_v7().to_string()),
            owner: client.owner.clone(),
            dialect: dialect.to_owned(),
            request: GenerationRequest {
                scope: draft.scope,
                model,
                prompt: draft.prompt,
                inputs,
                output: draft.output,
                vendor: draft.vendor,
            },
            state: TaskState::Queued,
            attempts: Vec::new(),
            created_at,
            deadline_at: created_at.plus(self.shared.settings.task_deadline),
            version: 0,
        };
        self.admit(client, task).await
    }

    async fn admit(&self, client: &Client, task: Task) -> Result<Task, Failure> {
        let max = client.limits.concurrent_tasks;
        // Shown before it is stored: nobody knows its id yet, and the worker may end it before this returns.
        self.shared.live.show(&task);
        let admission = self.shared.store.create(&task, max).await;
        if !matches!(admission, Ok(Admission::Admitted)) {
            self.shared.live.forget(&task.id);
        }
        match admission.map_err(|error| store_failure(&error))? {
            Admission::Admitted => {
                self.shared.metrics.accepted(&task);
                self.shared.wake.notify_one();
                Ok(task)
            }
            Admission::AtLimit { .. } => {
                self.forget_inputs(&task).await;
                let text = format!("too many concurrent tasks: this key may have {max}");
                Err(Failure::new(FailureKind::TooManyTasks, text).with_retry_after(AT_LIMIT_RETRY_AFTER))
            }
        }
    }

    /// The client's task of that id. Another client's task does not exist, nor does one of another scope than asked for.
    pub async fn get(
        &self,
        client: &Client,
        id: &TaskId,
        scope: Option<Scope>,
    ) -> Result<Arc<Task>, Failure> {
        let task = match self.shared.live.get(id) {
            Some(task) => Some(task),
            None => self.shared.store.load(id).await.map_err(|error| store_failure(&error))?.map(Arc::new),
        };
        let visible =
            |task: &Task| task.owner == client.owner && scope.is_none_or(|scope| scope == task.request.scope);
        task.filter(|task| visible(task)).ok_or_else(|| Failure::new(FailureKind::NotFound, "no such task"))
    }

    /// The models that some account serves.
    pub fn models(&self) -> Vec<ModelListing> {
        let served = self.shared.catalogue.iter().filter(|model| self.shared.router.serves(&model.name));
        served.map(|model| ModelListing { name: model.name.clone(), scope: model.scope }).collect()
    }

    /// The asset of that id, for whoever knows it: ids cannot be guessed.
    pub async fn open_asset(&self, id: &AssetId) -> Result<AssetFile, Failure> {
        let absent = || Failure::new(FailureKind::NotFound, "no such file");
        let path = self.shared.assets.path(id).ok_or_else(absent)?;
        let record = self.shared.store.asset(id).await.map_err(|error| store_failure(&error))?;
        let record = record.ok_or_else(absent)?;
        Ok(AssetFile { path, media_type: record.media_type, bytes: record.bytes })
    }

    /// Whether tasks can be accepted right now.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.shared.store.ping().await.map_err(|error| store_failure(&error))
    }

    async fn keep_input(&self, client: &Client, input: DraftInput) -> Result<Media, Failure> {
        let bytes = match input.media {
            DraftMedia::Url(url) => return Ok(Media::Url(url)),
            DraftMedia::Inline(bytes) => bytes,
        };
        let Some(media_type) = media_type_of_bytes(&bytes) else {
            let text =
                format!("{}: neither a URL nor an image, video or sound that can be read", input.field);
            return Err(Failure::invalid(input.field, text));
        };
        let store = async {
            let mut pending = self.shared.assets.begin().await?;
            pending.file().write_all(&bytes).await?;
            pending.finish().await
        };
        let id = store.await.map_err(|error| storage_failure(&error))?;
        let record = AssetRecord {
            id: id.clone(),
            owner: client.owner.clone(),
            media_type: media_type.to_owned(),
            bytes: bytes.len() as u64,
            created_at: clock::now(),
        };
        self.shared.store.put_asset(&record).await.map_err(|error| store_failure(&error))?;
        Ok(Media::Asset { id, media_type: media_type.to_owned() })
    }

    /// Removes the bytes that a refused task brought along.
    async fn forget_inputs(&self, task: &Task) {
        for input in &task.request.inputs {
            if let Media::Asset { id, .. } = &input.media {
                self.shared.assets.remove(id).await;
            }
        }
    }
}
