//! Gives room at accounts to the tasks that wait for it: takes the slot for the task whose turn it is, so that nobody who
//! comes later is faster, and makes the task due.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AccountName, Task, TaskId, TaskState, with_sources};
use limits::LimitKey;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::queue::{Place, Queue, Turn};
use crate::shared::Shared;
use crate::{Writers, choose};

/// The longest nap while somebody waits or a slot is kept: slots may also come free in another process.
const NAP_MAX: Duration = Duration::from_millis(500);
/// Tasks that are sent away at one time.
const SENT_AWAY_AT_ONCE: usize = 64;
/// After the store has failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The queue, and what wakes the one who serves it.
#[derive(Default)]
pub(crate) struct Waiting {
    queue: Mutex<Queue>,
    wake: Notify,
}

impl Waiting {
    /// Makes room for a new task, or says when there may be room: [`Queue::admit`].
    pub(crate) fn admit(&self, task: &TaskId, max: usize) -> Result<(), Duration> {
        self.queue().admit(task, max, Instant::now())
    }

    /// [`Queue::begin`].
    pub(crate) fn begin(&self, task: &TaskId) -> Turn {
        self.queue().begin(task)
    }

    /// [`Queue::join`].
    pub(crate) fn join(&self, task: &Task, places: &[Place]) -> Duration {
        let look_after = self.queue().join(&task.id, (&task.owner, task.created_at), places, Instant::now());
        self.wake.notify_one();
        look_after
    }

    /// [`Queue::leave`].
    pub(crate) fn leave(&self, task: &TaskId) {
        self.queue().leave(task);
    }

    /// [`Queue::is_waited_for`].
    pub(crate) fn is_waited_for(&self, account: &AccountName, task: &TaskId) -> bool {
        self.queue().is_waited_for(account, task)
    }

    /// Whether a slot is kept for the task.
    pub(crate) fn is_granted(&self, task: &TaskId) -> bool {
        self.queue().is_granted(task)
    }

    /// These were given back.
    pub(crate) fn freed(&self, keys: &[LimitKey]) {
        if keys.is_empty() {
            return;
        }
        let now = Instant::now();
        {
            let mut queue = self.queue();
            for key in keys {
                match key {
                    LimitKey::Account(account) => queue.look(account, now),
                    LimitKey::Provider(_) => queue.look_at_all(now),
                    _ => {}
                }
            }
        }
        self.wake.notify_one();
    }

    /// The account takes nothing until then.
    pub(crate) fn close(&self, account: &AccountName, until: Instant) {
        self.queue().close(account, until);
    }

    /// The account takes submissions.
    pub(crate) fn open(&self, account: &AccountName) {
        self.queue().open(account, Instant::now());
        self.wake.notify_one();
    }

    /// How many wait for each account.
    pub(crate) fn lengths(&self) -> Vec<(AccountName, usize)> {
        self.queue().lengths().map(|(account, len)| (account.clone(), len)).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves those who wait until the process ends, and then sends them all away.
pub(crate) async fn run(shared: &Shared) {
    let waiting = &shared.waiting;
    let mut setup = shared.setup.get();
    while !shared.stopping.is_begun() {
        let now = Instant::now();
        let current = shared.setup.get();
        if !Arc::ptr_eq(&setup, &current) {
            setup = current;
            waiting.queue().open_all(now);
        }
        let lapsed = waiting.queue().lapsed(now);
        for task in lapsed {
            waiting.leave(&task);
            if uses_its_slot(shared, &task).await {
                continue;
            }
            tracing::warn!(task_id = %task, "a task did not come for the slot that was kept for it");
            shared.give_back(&task).await;
        }
        let open = waiting.queue().to_look_at(now);
        for account in open {
            serve(shared, &account).await;
        }
        let nap =
            waiting.queue().next_look().map_or(NAP_MAX, |at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = waiting.wake.notified() => {}
            () = tokio::time::sleep(nap.min(NAP_MAX)) => {}
            () = shared.stopping.begun() => {}
        }
    }
    send_away(shared).await;
}

/// Whether another process may have submitted a task whose turn it was here.
async fn uses_its_slot(shared: &Shared, task: &TaskId) -> bool {
    if shared.settings.writers == Writers::Alone {
        return false;
    }
    let is_live = |task: Task| task.attempt().is_some_and(|attempt| attempt.outcome.is_live());
    // What is not known now is looked at again with all slots.
    shared.store.load(task).await.map_or(true, |task| task.is_some_and(is_live))
}

/// Whether a task still waits: another process may have gone on with it.
async fn still_waits(shared: &Shared, task: &TaskId) -> bool {
    if shared.settings.writers == Writers::Alone {
        return true;
    }
    let waits = |task: Task| matches!(task.state, TaskState::Queued);
    shared.store.load(task).await.map_or(true, |task| task.is_some_and(waits))
}

/// Makes all who wait here due at once, without what is kept for them: other processes go on with them.
async fn send_away(shared: &Shared) {
    let sent_away = shared.waiting.queue().leave_all();
    let mut sending = JoinSet::new();
    for task in sent_away {
        shared.give_back(&task).await;
        let store = Arc::clone(&shared.store);
        sending.spawn(async move {
            if let Err(error) = store.make_due(&task).await {
                tracing::warn!(task_id = %task, error = with_sources(&error), "a task that waits is due only after a while");
            }
        });
        if sending.len() >= SENT_AWAY_AT_ONCE {
            sending.join_next().await;
        }
    }
    while sending.join_next().await.is_some() {}
}

/// Grants what there is room for at the account.
async fn serve(shared: &Shared, account: &AccountName) {
    let waiting = &shared.waiting;
    // Nobody can be served by an account that is not configured any more. Who waits for it looks elsewhere in time.
    let Some(account) = shared.setup.get().accounts.get(account).cloned() else {
        return waiting.queue().rest(account, Instant::now(), NAP_MAX);
    };
    while !shared.stopping.is_begun() {
        let offered_at = Instant::now();
        let Some(task) = waiting.queue().offer(&account.name, offered_at) else { return };
        if !still_waits(shared, &task).await {
            waiting.leave(&task);
            continue;
        }
        if let Err(after) = choose::reserve(shared, &task, &account).await {
            waiting.queue().withdraw((&account.name, &task), offered_at, after);
            return;
        }
        if !waiting.queue().grant(&account.name, &task, Instant::now()) {
            shared.give_back(&task).await;
            continue;
        }
        match shared.store.make_due(&task).await {
            Ok(true) => shared.wake.notify_one(),
            Ok(false) => {
                waiting.leave(&task);
                shared.give_back(&task).await;
            }
            Err(error) => {
                tracing::warn!(task_id = %task, error = with_sources(&error), "a task whose turn it is could not be made due");
                tokio::time::sleep(RETRY_AFTER).await;
                return;
            }
        }
    }
}
