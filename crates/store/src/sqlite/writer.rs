//! The only thread that writes. Writes that wait together share one transaction and one sync (group commit):
//! it takes what is queued and never waits for more.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::SqliteSettings;
use super::checkpoint::Checkpointer;
use crate::StoreError;

/// The writer's queue. Dropped, it lets the thread finish what is queued and waits for its end.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Write>>>,
    accepts: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        checkpointer: Checkpointer,
        settings: &SqliteSettings,
    ) -> Result<Self, StoreError> {
        let (queue, queued) = sync_channel(settings.writes_waiting_max.max(1));
        let batch_max = settings.batch_max.max(1);
        let thread = Builder::new()
            .name("store-writer".into())
            .spawn(move || serve(&connection, &queued, &checkpointer, batch_max))
            .map_err(|error| StoreError::Backend {
                operation: "starting a thread",
                source: Box::new(error),
            })?;
        let accepts = settings.accepts_waiting_max.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self { queue: Some(queue), accepts: Arc::new(Semaphore::new(accepts)), thread: Some(thread) })
    }

    /// Like [`Self::write`], for new tasks: they have a bound of their own, so that they never crowd out the writes that
    /// record what an upstream did.
    pub(super) async fn accept<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(permit) = Arc::clone(&self.accepts).try_acquire_owned() else {
            return Err(StoreError::Unavailable("too many new tasks are waiting".into()));
        };
        // The permit goes with the operation, not with this future: a caller that gave up still takes its place.
        self.write(move |connection| {
            let _permit = permit;
            operation(connection)
        })
        .await
    }

    /// Queues `operation` and returns its result once that is on the disk. An operation that fails changes nothing, and
    /// does no harm to its neighbours in the transaction. It runs even if the caller does not wait for the result.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        let (reply, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let write = Box::new(Pending { operation: Some(operation), result: None, reply });
        queue.try_send(write).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many writes are waiting".into()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer has panicked");
        }
    }
}

/// A queued operation, whatever its result's type.
trait Write: Send {
    /// Runs it once; whether it succeeded.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells the caller, after the end of the transaction.
    fn answer(self: Box<Self>, transaction: &Result<(), Lost>);
}

struct Pending<T, F> {
    operation: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Pending<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.result = self.operation.take().map(|operation| operation(connection));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, transaction: &Result<(), Lost>) {
        let answer = match (self.result, transaction) {
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(lost)) => Err(lost.error()),
            (None, Ok(())) => Err(StoreError::Unavailable("the write was not run".into())),
        };
        // Nobody listens any more if the caller gave up.
        let _ = self.reply.send(answer);
    }
}

fn serve(
    connection: &Connection,
    queued: &Receiver<Box<dyn Write>>,
    checkpointer: &Checkpointer,
    batch_max: usize,
) {
    let mut batch = Vec::new();
    while let Ok(first) = queued.recv() {
        batch.push(first);
        batch.extend(queued.try_iter().take(batch_max - 1));
        let transaction = run_transaction(connection, &mut batch);
        failpoints::pass("committed");
        for write in batch.drain(..) {
            write.answer(&transaction);
        }
        checkpointer.after_commit(connection);
    }
}

fn run_transaction(connection: &Connection, batch: &mut [Box<dyn Write>]) -> Result<(), Lost> {
    execute(connection, "BEGIN IMMEDIATE").map_err(Lost::before)?;
    let run_all = || {
        for write in batch {
            run_alone(connection, write.as_mut())?;
        }
        failpoints::pass("before_commit");
        execute(connection, "COMMIT")
    };
    run_all().map_err(|error| {
        // Some errors, such as a full disk, have rolled back already.
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
        Lost::within(error)
    })
}

/// An error here is one of the whole transaction; that of the operation alone stays with it.
fn run_alone(connection: &Connection, write: &mut dyn Write) -> rusqlite::Result<()> {
    execute(connection, "SAVEPOINT operation")?;
    if !write.run(connection) {
        execute(connection, "ROLLBACK TO operation")?;
    }
    execute(connection, "RELEASE operation")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// A transaction that did not happen, told to everyone in it.
#[derive(Debug)]
struct Lost {
    begun: bool,
    error: Arc<rusqlite::Error>,
}

impl Lost {
    fn before(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "no transaction could begin");
        Self { begun: false, error: Arc::new(error) }
    }

    fn within(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "a transaction was lost");
        Self { begun: true, error: Arc::new(error) }
    }

    fn error(&self) -> StoreError {
        if self.begun {
            StoreError::Backend { operation: "committing", source: Box::new(Arc::clone(&self.error)) }
        } else {
            StoreError::Unavailable(self.error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::open_for_writing;
    use super::super::failed;
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        settings: SqliteSettings,
    }

    impl Fixture {
        fn new(settings: SqliteSettings) -> Self {
            let fixture = Self { dir: tempfile::tempdir().unwrap(), settings };
            fixture.connection().execute("CREATE TABLE t (x INTEGER UNIQUE, y BLOB)", []).unwrap();
            fixture
        }

        fn connection(&self) -> Connection {
            open_for_writing(&self.dir.path().join("t.sqlite"), self.settings.busy_timeout).unwrap()
        }

        fn writer(&self) -> Writer {
            self.writer_on(self.connection())
        }

        fn writer_on(&self, connection: Connection) -> Writer {
            let checkpointer = Checkpointer::start(self.connection(), &self.settings).unwrap();
            Writer::start(connection, checkpointer, &self.settings).unwrap()
        }

        fn stored(&self) -> Vec<i64> {
            let connection = self.connection();
            let mut statement = connection.prepare("SELECT x FROM t ORDER BY x").unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        }
    }

    fn insert(x: i64, bytes: usize) -> impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static {
        move |connection| {
            connection
                .execute("INSERT INTO t VALUES (?1, zeroblob(?2))", (x, bytes))
                .map(|_| ())
                .map_err(failed("inserting"))
        }
    }

    /// Puts writes into one batch, without a thread, and returns their answers.
    fn in_one_batch(connection: &Connection, writes: Vec<(i64, usize)>) -> Vec<Result<(), StoreError>> {
        let (mut batch, mut answers) = (Vec::<Box<dyn Write>>::new(), Vec::new());
        for (x, bytes) in writes {
            let (reply, answer) = oneshot::channel();
            batch.push(Box::new(Pending { operation: Some(insert(x, bytes)), result: None, reply }));
            answers.push(answer);
        }
        let transaction = run_transaction(connection, &mut batch);
        batch.into_iter().for_each(|write| write.answer(&transaction));
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    #[test]
    fn a_failing_operation_does_no_harm_to_its_batch() {
        let fixture = Fixture::new(SqliteSettings::default());
        let answers = in_one_batch(&fixture.connection(), vec![(1, 0), (1, 0), (2, 0)]);
        assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
        assert_eq!(fixture.stored(), [1, 2]);
    }

    #[test]
    fn an_operation_that_loses_the_transaction_leaves_nobody_with_a_false_answer() {
        let fixture = Fixture::new(SqliteSettings::default());
        let connection = fixture.connection();
        connection.pragma_update(None, "max_page_count", 20).unwrap();
        let answers = in_one_batch(&connection, vec![(1, 0), (2, 1 << 20), (3, 0)]);
        assert!(answers[1].is_err());
        let told: Vec<i64> = [(1, &answers[0]), (3, &answers[2])]
            .into_iter()
            .filter_map(|(x, answer)| answer.is_ok().then_some(x))
            .collect();
        assert_eq!(fixture.stored(), told);
        assert!(in_one_batch(&connection, vec![(4, 0)])[0].is_ok(), "the writer goes on");
    }

    #[test]
    fn when_the_commit_fails_everybody_hears_it() {
        let fixture = Fixture::new(SqliteSettings::default());
        let connection = fixture.connection();
        connection
            .execute_batch(
                "CREATE TABLE parent (id INTEGER PRIMARY KEY);
                 CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
                 CREATE TRIGGER orphan AFTER INSERT ON t WHEN new.x = 2 BEGIN INSERT INTO child VALUES (1); END;",
            )
            .unwrap();
        let answers = in_one_batch(&connection, vec![(1, 0), (2, 0), (3, 0)]);
        for answer in answers {
            assert!(matches!(answer, Err(StoreError::Backend { operation: "committing", .. })));
        }
        assert!(fixture.stored().is_empty());
        assert!(in_one_batch(&connection, vec![(4, 0)])[0].is_ok(), "the writer goes on");
    }

    #[tokio::test]
    async fn new_tasks_beyond_the_bound_are_refused_and_leave_room_for_other_writes() {
        let settings = SqliteSettings { accepts_waiting_max: 2, ..SqliteSettings::default() };
        let fixture = Fixture::new(settings);
        let writer = fixture.writer();
        let blocker = fixture.connection();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (first, second, third, other, ()) = tokio::join!(
            writer.accept(insert(1, 0)),
            writer.accept(insert(2, 0)),
            writer.accept(insert(3, 0)),
            writer.write(insert(4, 0)),
            async { blocker.execute_batch("ROLLBACK").unwrap() },
        );
        assert!(first.is_ok() && second.is_ok() && other.is_ok());
        assert!(matches!(third, Err(StoreError::Unavailable(_))));
        assert_eq!(fixture.stored(), [1, 2, 4]);
        assert!(writer.accept(insert(5, 0)).await.is_ok(), "places are given back");
    }

    #[tokio::test]
    async fn writes_beyond_the_bound_are_refused() {
        let settings = SqliteSettings { writes_waiting_max: 3, batch_max: 2, ..SqliteSettings::default() };
        let fixture = Fixture::new(settings);
        let writer = Arc::new(fixture.writer());
        let blocker = fixture.connection();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for x in 0..6 {
            let writer = Arc::clone(&writer);
            waiting.spawn(async move { writer.write(insert(x, 0)).await });
        }
        // The writer holds at most a batch of 2 and the queue 3, so of 6 one is refused while nothing is written.
        let refused = waiting.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        blocker.execute_batch("ROLLBACK").unwrap();
        let stored = waiting.join_all().await.into_iter().filter(Result::is_ok).count();
        assert_eq!(fixture.stored().len(), stored);
        assert!(stored >= 3);
    }

    #[tokio::test]
    async fn a_database_that_stays_locked_is_unavailable() {
        let settings =
            SqliteSettings { busy_timeout: std::time::Duration::ZERO, ..SqliteSettings::default() };
        let fixture = Fixture::new(settings);
        let writer = fixture.writer();
        let blocker = fixture.connection();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = writer.write(insert(1, 0)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn dropping_the_writer_finishes_what_is_queued() {
        let fixture = Fixture::new(SqliteSettings::default());
        let writer = fixture.writer();
        for x in 0..20 {
            let mut write = Box::pin(writer.write(insert(x, 0)));
            // Polled once, it is queued; then its caller gives up.
            let _ =
                std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context))).await;
        }
        drop(writer);
        assert_eq!(fixture.stored().len(), 20);
    }
}
