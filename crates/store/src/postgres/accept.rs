//! New tasks, stored in groups: those that wait together share one transaction, two round trips and one sync. It takes what
//! is queued and never waits for more.

mod columns;
mod decide;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio::try_join;

use self::columns::{Columns, ReadKeys};
use self::decide::{Asked, Known};
use super::failure::{Failure, behind, failed};
use super::nudges::Nudging;
use super::pool::Pool;
use super::retry::Tries;
use super::rows::{get, unsigned};
use super::session::Session;
use super::{PostgresSettings, attempts, idempotency, ledger};
use crate::rows::NewRow;
use crate::{Admission, StoreError, Terms};

/// How long it is tried to find out what became of a transaction whose commit was not answered.
const DOUBT_MAX: Duration = Duration::from_secs(30);
const DOUBT_PAUSE: Duration = Duration::from_millis(250);

const NOW: &str = "SELECT {now} AS now";
/// Locks owners' rows in the order of the array, which is sorted, and makes those that are missing.
pub(super) const LOCK_OWNERS: &str = "INSERT INTO owners (owner, live_tasks, committed)
    SELECT owner, 0, 0 FROM unnest($1::text[]) AS owner
    ON CONFLICT (owner) DO UPDATE SET live_tasks = owners.live_tasks RETURNING owner, live_tasks, committed";
pub(super) const READ_IDS: &str = "SELECT id FROM tasks WHERE id = ANY($1)";
const STORE_TASKS: &str = "INSERT INTO tasks
        (id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at, version, due_at, lease_epoch,
         state_data, quote, request)
    SELECT id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at, version, {now}, 0,
           state_data, quote, request
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
                $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[])
         AS new (id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at, version,
                 state_data, quote, request)";
const CHANGE_OWNERS: &str = "UPDATE owners SET live_tasks = new.live_tasks, committed = new.committed
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS new (owner, live_tasks, committed)
    WHERE owners.owner = new.owner";

/// The queue of new tasks. Once it is dropped, what is queued is stored and its task ends.
#[derive(Debug)]
pub(super) struct Accepts {
    queue: mpsc::Sender<Pending>,
}

/// Who waits for an answer.
#[derive(Debug)]
struct Pending {
    asked: Asked,
    reply: oneshot::Sender<Result<Admission, StoreError>>,
}

impl Accepts {
    pub(super) fn start(pool: Arc<Pool>, nudging: Nudging, settings: &PostgresSettings) -> Self {
        let (queue, queued) = mpsc::channel(settings.accepts_waiting_max.max(1));
        tokio::spawn(serve(pool, nudging, queued, settings.batch_max.max(1)));
        Self { queue }
    }

    /// Stores a new task, if its owner's terms allow it. It does so even if the caller does not wait.
    pub(super) async fn create(&self, row: NewRow, terms: Terms) -> Result<Admission, StoreError> {
        let stopped = || StoreError::Unavailable("the store has stopped".into());
        let (reply, answered) = oneshot::channel();
        let pending = Pending { asked: Asked { row, terms, is_in_doubt: false }, reply };
        self.queue.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Unavailable("too many new tasks are waiting".into())
            }
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

async fn serve(pool: Arc<Pool>, nudging: Nudging, mut queued: mpsc::Receiver<Pending>, batch_max: usize) {
    let mut batch = Vec::new();
    while queued.recv_many(&mut batch, batch_max).await > 0 {
        let (asked, replies): (Vec<_>, Vec<_>) = batch.drain(..).map(|it| (it.asked, it.reply)).unzip();
        let mut group = Group { pool: Arc::clone(&pool), nudging: nudging.clone(), asked };
        match group.store().await {
            Err(_) if group.is_in_doubt() => drop(tokio::spawn(group.find_out(replies))),
            answers => group.answer(answers, replies).await,
        }
    }
}

type Replies = Vec<oneshot::Sender<Result<Admission, StoreError>>>;
type Answers = Vec<Result<Admission, StoreError>>;

/// New tasks that share a transaction.
#[derive(Debug)]
struct Group {
    pool: Arc<Pool>,
    nudging: Nudging,
    asked: Vec<Asked>,
}

impl Group {
    /// Stores those that may be stored. Nothing is tried again here once it may have been stored.
    async fn store(&mut self) -> Result<Answers, StoreError> {
        let mut tries = Tries::default();
        loop {
            match self.store_once().await {
                Err(error) if !self.is_in_doubt() && tries.again_soon(&error).await => {}
                answers => return answers,
            }
        }
    }

    async fn store_once(&mut self) -> Result<Answers, StoreError> {
        let session = self.pool.session().await?;
        let mut known = read(&session, &self.asked).await?;
        let answers: Answers = self.asked.iter().map(|asked| known.decide(asked)).collect();
        let is_new = |(asked, answer): &(&Asked, &Result<Admission, StoreError>)| {
            matches!(answer, Ok(Admission::Admitted)) && !known.had(asked)
        };
        let new: Vec<&Asked> =
            self.asked.iter().zip(&answers).filter(is_new).map(|(asked, _)| asked).collect();
        if new.is_empty() {
            session.roll_back().await;
            return Ok(answers);
        }
        failpoints::pass("before_commit");
        let written = write(&session, &new, &known).await;
        if let Err(error) = written {
            session.roll_back().await;
            let is_in_doubt = behind(&error).is_some_and(Failure::leaves_doubt);
            for (asked, answer) in self.asked.iter_mut().zip(&answers) {
                asked.is_in_doubt |= is_in_doubt && matches!(answer, Ok(Admission::Admitted));
            }
            return Err(error);
        }
        failpoints::pass("committed");
        self.nudging.due();
        Ok(answers)
    }

    fn is_in_doubt(&self) -> bool {
        self.asked.iter().any(|asked| asked.is_in_doubt)
    }

    /// Goes on until it is known whether the tasks are stored. Whoever holds the owners' rows from the transaction in doubt
    /// still has them locked if it can still commit, so that what is read then is what became of it.
    async fn find_out(mut self, replies: Replies) {
        let give_up_at = Instant::now() + DOUBT_MAX;
        loop {
            match self.store().await {
                Err(_) if Instant::now() < give_up_at => tokio::time::sleep(DOUBT_PAUSE).await,
                answers => return self.answer(answers, replies).await,
            }
        }
    }

    /// Tells everyone. If the group failed together, each is tried alone, so that none fails because of another.
    async fn answer(mut self, answers: Result<Answers, StoreError>, replies: Replies) {
        let error = match answers {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    let _nobody_waits_any_more = reply.send(answer);
                }
                return;
            }
            Err(error) => error,
        };
        let is_a_refusal = behind(&error).is_some_and(|failure| !failure.leaves_doubt());
        if let [alone] = self.asked.as_slice() {
            let error = refused(&alone.row.id, error);
            if let Some(reply) = replies.into_iter().next() {
                let _nobody_waits_any_more = reply.send(Err(error));
            }
        } else if is_a_refusal {
            for (asked, reply) in std::mem::take(&mut self.asked).into_iter().zip(replies) {
                let mut alone =
                    Self { pool: Arc::clone(&self.pool), nudging: self.nudging.clone(), asked: vec![asked] };
                let answers = alone.store().await;
                Box::pin(alone.answer(answers, vec![reply])).await;
            }
        } else {
            let error = Arc::new(error);
            for reply in replies {
                let _nobody_waits_any_more = reply.send(Err(shared(&error)));
            }
        }
    }
}

/// What the failure of a transaction with one task says of it.
fn refused(id: &str, error: StoreError) -> StoreError {
    match behind(&error).and_then(Failure::violated) {
        Some("tasks_pkey") => StoreError::Conflict(format!("task {id}")),
        Some("attempts_handle") => StoreError::HandleTaken,
        Some("attempts_live") => StoreError::SecondLiveAttempt,
        _ => error,
    }
}

/// The same error for each of many.
fn shared(error: &Arc<StoreError>) -> StoreError {
    match error.as_ref() {
        StoreError::Unavailable(reason) => StoreError::Unavailable(reason.clone()),
        _ => StoreError::Backend { operation: "storing tasks", source: Box::new(Arc::clone(error)) },
    }
}

/// Begins the transaction, locks the owners and the days, and reads what decides.
async fn read(session: &Session, asked: &[Asked]) -> Result<Known, StoreError> {
    let owners: BTreeSet<&str> = asked.iter().map(|asked| asked.row.owner.as_str()).collect();
    let owners: Vec<&str> = owners.into_iter().collect();
    let ids: Vec<&str> = asked.iter().map(|asked| asked.row.id.as_str()).collect();
    let (keys, days) = (ReadKeys::of(asked), decide::days(asked));
    let read = async {
        let [now, lock, read_ids] = session.prepare([NOW, LOCK_OWNERS, READ_IDS]).await?;
        let [read_keys, touch] = session.prepare([idempotency::READ, super::daily::TOUCH]).await?;
        try_join!(
            biased;
            session.begin(),
            session.rows(&lock, [&owners]),
            session.only(&now, []),
            session.rows_unless(keys.is_empty(), &read_keys, keys.values()),
            session.rows(&read_ids, [&ids]),
            session.rows_unless(days.is_empty(), &touch, days.values()),
        )
    };
    let ((), owners, now, keys, ids, days) = read.await.map_err(failed("reading what new tasks may have"))?;
    let mut known = Known::at(Timestamp::from_millis(get(&now, "now")?));
    for row in &owners {
        known.add_owner(get(row, "owner")?, (unsigned(row, "live_tasks")?, get(row, "committed")?));
    }
    for row in &keys {
        let (owner, key) = (get(row, "owner")?, get(row, "key")?);
        known.add_key((owner, key), get::<Vec<u8>>(row, "fingerprint")?, get(row, "task_id")?);
    }
    for row in &ids {
        known.add_id(get(row, "id")?);
    }
    for row in &days {
        known.days.add(row)?;
    }
    Ok(known)
}

/// Stores the tasks with what belongs to them, and ends the transaction.
async fn write(session: &Session, new: &[&Asked], known: &Known) -> Result<(), StoreError> {
    let columns = Columns::of(new, known);
    let write = async {
        let [tasks, owners] = session.prepare([STORE_TASKS, CHANGE_OWNERS]).await?;
        let [store_attempts, keys, note] =
            session.prepare([attempts::STORE, idempotency::STORE, super::daily::NOTE]).await?;
        let [change_days, entries] = session.prepare([super::daily::CHANGE, ledger::APPEND]).await?;
        try_join!(
            biased;
            session.run(&tasks, columns.tasks.values()),
            session.run_unless(columns.attempts.is_empty(), &store_attempts, columns.attempts.values()),
            session.run(&owners, columns.owners.values()),
            session.run_unless(columns.keys.is_empty(), &keys, columns.keys.values()),
            session.run_unless(columns.uses.is_empty(), &note, columns.uses.values()),
            session.run_unless(columns.uses.is_empty(), &change_days, columns.days.values()),
            session.run_unless(columns.entries.is_empty(), &entries, columns.entries.values()),
            session.commit(),
        )
    };
    // On the heap: with all its statements it is large.
    Box::pin(write).await.map(drop).map_err(failed("storing tasks"))
}
