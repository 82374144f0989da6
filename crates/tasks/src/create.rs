//! Accepting tasks: check, keep what came along, store.

use std::sync::Arc;

use domain::{
    AssetId, AttemptOutcome, Basis, Callback, Client, Draft, DraftBasis, DraftInput, DraftMedia, Failure,
    FailureKind, GenerationRequest, Input, Media, Quote, Task, TaskId, TaskState,
};
use routing::{Asked, Condition};
use sha2::{Digest as _, Sha256};
use store::IdempotencyKey;

use crate::setup::Setup;
use crate::{TaskService, clock, idempotency, refusal};

/// How often the same follow-up of a result may be tried anew after it has failed.
const FOLLOW_UPS_MAX: u32 = 8;

/// What a request to make a task has made.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The task; as it stands, if it was there.
    pub task: Task,
    /// Whether an earlier request with the same key has made it.
    pub replayed: bool,
}

/// An earlier task that another is made from.
struct Source {
    task: Arc<Task>,
    basis: Basis,
}

impl TaskService {
    /// Accepts a task: when this returns it, it is durable. Nothing has been submitted yet. A request with the `key` of
    /// an earlier one is that one: its task is returned, and what this one brought along is dropped.
    pub async fn create(
        &self,
        client: &Client,
        dialect: &str,
        draft: Draft,
        key: Option<&str>,
    ) -> Result<Created, Failure> {
        let name = idempotency::name(key, &draft, &self.shared.settings)?;
        let id = TaskId::new(uuid::Uuid::now_v7().to_string());
        let source = self.source(client, draft.basis.as_ref()).await?;
        self.accept(client, (dialect, id), (draft, source), name).await
    }

    /// The follow-up of an earlier result that `draft` asks for: the same task however often it is asked for, made at
    /// the first time, and anew after it has failed.
    pub async fn derive(&self, client: &Client, dialect: &str, draft: Draft) -> Result<Arc<Task>, Failure> {
        let Some(source) = self.source(client, draft.basis.as_ref()).await? else {
            return Err(Failure::internal("a follow-up of nothing"));
        };
        let resolution = draft.output.resolution.as_deref().unwrap_or_default();
        if source.task.request.output.resolution.as_deref() == Some(resolution) {
            return Ok(Arc::new(already_there(&source)));
        }
        let mut number = 1;
        let id = loop {
            let id = follow_up_id(&source.basis, resolution, number);
            match self.get(client, &id, None).await {
                Ok(task) if ended_in_vain(&task) && number < FOLLOW_UPS_MAX => number += 1,
                Ok(task) => return Ok(task),
                Err(failure) if failure.kind == FailureKind::NotFound => break id,
                Err(failure) => return Err(failure),
            }
        };
        let made = self.accept(client, (dialect, id), (draft, Some(source)), None).await?;
        Ok(Arc::new(made.task))
    }

    async fn accept(
        &self,
        client: &Client,
        (dialect, id): (&str, TaskId),
        (mut draft, source): (Draft, Option<Source>),
        name: Option<IdempotencyKey>,
    ) -> Result<Created, Failure> {
        if let Some(Source { task, .. }) = &source {
            draft.model.get_or_insert_with(|| task.request.model.clone());
            draft.scope.get_or_insert(task.request.scope);
        }
        let setup = self.shared.setup.get();
        let client = &setup.keys.current(client)?;
        let model = setup.catalogue.resolve_within(&draft, &client.access)?;
        if !setup.router.serves(&model.name) {
            let text = format!("model: \"{}\" is not served by this gateway", model.name);
            return Err(Failure::new(FailureKind::ModelNotFound, text));
        }
        self.check_callback(draft.callback.as_ref())?;
        let roles = model.roles(&draft.inputs);
        let (model, scope) = (model.name.clone(), model.scope);
        let created_at = clock::now();
        let mut request = GenerationRequest {
            output: draft.output,
            basis: source.map(|source| source.basis),
            callback: draft.callback,
            preference: draft.preference.within(&client.access.preference),
            vendor: draft.vendor,
            trace: draft.trace,
            ..GenerationRequest::new(scope, model, draft.prompt)
        };
        let mut kept = Vec::new();
        for (input, role) in draft.inputs.into_iter().zip(roles) {
            let DraftInput { field, media, .. } = input;
            let came_along = matches!(media, DraftMedia::Inline(_));
            let media = match self.keep_input(client, &field, media).await {
                Ok(media) => media,
                Err(failure) => {
                    self.drop_again(&kept).await;
                    return Err(failure);
                }
            };
            if let (true, Media::Asset { id, .. }) = (came_along, &media) {
                kept.push(id.clone());
            }
            request.inputs.push(Input { role, media });
        }
        let quote = match quote(&setup, &request) {
            Ok(quote) => quote,
            Err(failure) => {
                self.drop_again(&kept).await;
                return Err(failure);
            }
        };
        let task = Task {
            id,
            owner: client.owner.clone(),
            dialect: dialect.to_owned(),
            request,
            state: TaskState::Queued,
            attempts: Vec::new(),
            created_at,
            deadline_at: created_at.plus(self.shared.settings.task_deadline),
            quote,
            version: 0,
        };
        let admitted = self.admit(client, task, name).await;
        if !matches!(admitted, Ok(Created { replayed: false, .. })) {
            self.drop_again(&kept).await;
        }
        admitted
    }

    /// Refuses a listener that no message could ever reach, while its client still listens.
    fn check_callback(&self, callback: Option<&Callback>) -> Result<(), Failure> {
        let Some(Callback { url, .. }) = callback else { return Ok(()) };
        let allow_http = self.shared.settings.callbacks.allow_http;
        match self.shared.upstream.check_listener(url, allow_http) {
            Ok(_host) => Ok(()),
            Err(reason) => Err(Failure::invalid("callback_url", format!("callback_url: {reason}"))),
        }
    }

    /// The earlier task that `wanted` names: the client's own, succeeded, and its upstream still known by a handle.
    async fn source(&self, client: &Client, wanted: Option<&DraftBasis>) -> Result<Option<Source>, Failure> {
        let Some(DraftBasis { task, index, derivation }) = wanted else { return Ok(None) };
        let task = self.get(client, task, None).await?;
        let outputs = match &task.state {
            TaskState::Succeeded { outputs, .. } => outputs,
            state if state.is_terminal() => return Err(Failure::invalid("task", "the task has no result")),
            _ => return Err(Failure::new(FailureKind::StillRunning, "the task has not ended yet")),
        };
        if *index >= outputs.len() {
            let text = format!("index: the task has {} results, counted from 0", outputs.len());
            return Err(Failure::invalid("index", text));
        }
        let accepted = task.attempt().and_then(|attempt| match &attempt.outcome {
            AttemptOutcome::Accepted { handle, .. } if !handle.is_empty() => {
                Some((attempt.plan.account.clone(), handle.clone()))
            }
            _ => None,
        });
        let Some((account, handle)) = accepted else {
            let text = format!("{}: the provider of this task cannot go on from it", derivation.as_str());
            return Err(Failure::invalid("task", text));
        };
        let basis = Basis { task: task.id.clone(), index: *index, derivation: *derivation, account, handle };
        Ok(Some(Source { task, basis }))
    }

    /// Removes what a refused request brought along.
    async fn drop_again(&self, kept: &[AssetId]) {
        for id in kept {
            let _expires_anyway = self.shared.store.drop_asset(id).await;
            self.shared.assets.remove(id).await;
        }
    }
}

/// What the request may cost, with whom it may go to.
pub(crate) fn quote(setup: &Setup, request: &GenerationRequest) -> Result<Quote, Failure> {
    let plan = setup.router.plan(&Asked::new(request, 0), &|_| Condition::default());
    if !plan.is_possible() {
        return Err(refusal::of(&plan));
    }
    plan.quote(request).ok_or_else(|| {
        Failure::new(FailureKind::InvalidRequest, "this gateway has no price for what is asked for")
    })
}

fn ended_in_vain(task: &Task) -> bool {
    task.state.is_terminal() && !matches!(task.state, TaskState::Succeeded { .. })
}

/// A follow-up that needs no work: the result is what was asked for as it is.
fn already_there(source: &Source) -> Task {
    let mut task = (*source.task).clone();
    if let TaskState::Succeeded { outputs, .. } = &mut task.state {
        *outputs = outputs.drain(..).skip(source.basis.index).take(1).collect();
    }
    task
}

/// The id of a follow-up: known to whoever knows what it follows, so that asking twice is asking for one.
fn follow_up_id(basis: &Basis, resolution: &str, number: u32) -> TaskId {
    let text =
        format!("{}\n{}\n{}\n{resolution}\n{number}", basis.task, basis.index, basis.derivation.as_str());
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    TaskId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
}
