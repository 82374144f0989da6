//! What all calls share: the settings, the ledger, the studio, and how many calls of each kind were seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::apis::{Api, Refusal};
use crate::faults::{CallFault, FaultError, Faults};
use crate::ledger::{Entry, Ledger, LedgerError, bounded};
use crate::media::Studio;
use crate::task::{Kind, Order, OwnName, Task};

/// Keys whose calls are counted apart.
const KEYS_MAX: usize = 256;

/// What all calls share.
pub(crate) struct Desk {
    pub(crate) faults: Faults,
    pub(crate) generation: Duration,
    /// The only key that is accepted; any if `None`.
    pub(crate) key: Option<String>,
    pub(crate) ledger: Ledger,
    pub(crate) studio: Studio,
    pub(crate) counters: Counters,
    /// Taken for a while by orders whose name falls on one, so that no two of the same name are accepted.
    pub(crate) turns: [tokio::sync::Mutex<()>; 64],
    /// The tasks that were stopped; a restart forgets it, and they go on.
    pub(crate) stopped_tasks: Mutex<HashSet<String>>,
    /// The tasks that were deleted; a restart brings them back.
    pub(crate) deleted_tasks: Mutex<HashSet<String>>,
    /// Becomes true, or loses its sender, when the server shall stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// An order and all that was said of it before it is accepted.
pub(crate) struct Submission<'a> {
    pub(crate) api: &'a dyn Api,
    pub(crate) order: Order,
    pub(crate) own_name: Option<OwnName>,
    /// The earlier task that it is made from.
    pub(crate) made_from: Option<String>,
    pub(crate) body: Value,
    pub(crate) body_bytes: usize,
    /// What will go wrong with the answer.
    pub(crate) answer_fault: Option<CallFault>,
}

impl Desk {
    /// The faults of a call for `prompt`: its own words first.
    pub(crate) fn faults_of(&self, prompt: &str) -> Result<Faults, FaultError> {
        Ok(Faults::of_prompt(prompt)?.then(&self.faults))
    }

    /// Whether a call with this key may pass.
    pub(crate) fn admit(&self, key: Option<&str>) -> Result<(), Refusal> {
        let given = key.map_or("", str::trim);
        match &self.key {
            Some(key) if given == key => Ok(()),
            None if !given.is_empty() => Ok(()),
            _ => Err(Refusal::Unauthorized),
        }
    }

    /// Decides the fate of an order and writes it down; returns the id of the task. A prompt whose faults cannot be
    /// read is the caller's to refuse before.
    pub(crate) async fn accept(
        &self,
        submission: Submission<'_>,
        faults: &Faults,
    ) -> Result<Arc<Task>, LedgerError> {
        let Submission { api, order, own_name, made_from, body, body_bytes, answer_fault } = submission;
        let plan = faults.plan_task(fastrand::f64);
        let generation = plan.generation.unwrap_or(self.generation);
        let id = api.encode_id(order.kind, &format!("{:032x}", fastrand::u128(..)));
        let task = Task {
            id,
            api: api.name().to_owned(),
            order,
            own_name,
            count: api.count(&body),
            made_from,
            accepted_at_ms: now_ms(),
            fate: plan.fate,
            generation_ms: u64::try_from(generation.as_millis()).unwrap_or(u64::MAX),
        };
        let entry = Entry { task: task.clone(), answer_fault, body: bounded(body, body_bytes) };
        self.ledger.append(entry).await?;
        Ok(Arc::new(task))
    }

    /// The task of that id, if it is one of `api` and there still.
    pub(crate) fn task(&self, api: &dyn Api, id: &str) -> Option<Arc<Task>> {
        self.ledger.task(id).filter(|task| task.api == api.name() && !self.is_deleted(&task.id))
    }

    /// The task of that own name, if it is one of `api` and there still.
    pub(crate) fn task_named(&self, api: &dyn Api, name: &str) -> Option<Arc<Task>> {
        self.ledger.task_named(api.name(), name).filter(|task| !self.is_deleted(&task.id))
    }

    /// Waits until no other order of that name is being decided.
    pub(crate) async fn turn(&self, name: &OwnName) -> tokio::sync::MutexGuard<'_, ()> {
        let sum: usize = name.text.bytes().map(usize::from).sum();
        self.turns[sum % self.turns.len()].lock().await
    }

    /// The newest task of the same API and kind besides `task`.
    pub(crate) fn task_before(&self, api: &dyn Api, task: &Task) -> Option<Arc<Task>> {
        self.tasks(api, task.order.kind).into_iter().rfind(|other| other.id != task.id)
    }

    /// The tasks of a kind that `api` has still, oldest first.
    pub(crate) fn tasks(&self, api: &dyn Api, kind: Kind) -> Vec<Arc<Task>> {
        let mut tasks = self.ledger.tasks_of(api.name());
        tasks.retain(|task| task.order.kind == kind && !self.is_deleted(&task.id));
        tasks
    }

    /// Forgets a task.
    pub(crate) fn delete_task(&self, id: &str) {
        self.deleted_tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// Whether the task of that id was deleted.
    pub(crate) fn is_deleted(&self, id: &str) -> bool {
        self.deleted_tasks.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Stops a task; whether it was still at work.
    pub(crate) fn stop_task(&self, task: &Task) -> bool {
        !task.has_ended(now_ms()) && self.stopped_tasks().insert(task.id.clone())
    }

    /// Whether the task of that id was stopped.
    pub(crate) fn is_stopped(&self, id: &str) -> bool {
        self.stopped_tasks().contains(id)
    }

    fn stopped_tasks(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.stopped_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server shall stop.
    pub(crate) async fn stopped(&self) {
        // An error means that the sender is gone, which is the same.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// Now, in milliseconds since 1970. Wall-clock time, because tasks go on after a restart.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// How many calls of each kind were seen and how many faults of each kind were made, since the start.
#[derive(Default)]
pub(crate) struct Counters(Mutex<Counts>);

/// What is counted. The calls by key are those of the first [`KEYS_MAX`] keys, named by digests: some callers sign each
/// call with another one.
#[derive(Default)]
struct Counts {
    calls: BTreeMap<String, u64>,
    calls_by_key: BTreeMap<String, BTreeMap<String, u64>>,
    faults: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Counts a call, for instance `kie.submit` or `media`.
    pub(crate) fn count_call(&self, name: String) {
        *self.counts().calls.entry(name).or_default() += 1;
    }

    /// Counts a call that came with that key.
    pub(crate) fn count_call_with(&self, key: Option<&str>, name: String) {
        let digest = Sha256::digest(key.map_or("", str::trim));
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut counts = self.counts();
        if counts.calls_by_key.len() < KEYS_MAX || counts.calls_by_key.contains_key(&key) {
            *counts.calls_by_key.entry(key).or_default().entry(name.clone()).or_default() += 1;
        }
        *counts.calls.entry(name).or_default() += 1;
    }

    /// Counts a fault.
    pub(crate) fn count_fault(&self, name: &'static str) {
        *self.counts().faults.entry(name).or_default() += 1;
    }

    /// The counts as JSON: of calls, of calls by the SHA-256 digests of their keys, of faults.
    pub(crate) fn encode(&self) -> (Value, Value, Value) {
        let counts = self.counts();
        (json!(counts.calls), json!(counts.calls_by_key), json!(counts.faults))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
