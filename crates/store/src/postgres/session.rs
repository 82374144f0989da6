//! One connection while somebody uses it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::connect::IDLE_IN_TRANSACTION_MAX;
use super::failure::{Failure, failed};
use super::settings::PostgresClock;
use crate::StoreError;

/// What the server is given to end a statement by itself before its connection is given up.
const GRACE: Duration = Duration::from_millis(500);

/// Values of a statement, in the order of their numbers.
pub(super) type Values<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// A connection of the pool. Statements that are polled together are sent together, and the server runs them in the order
/// in which they were first polled: `tokio::try_join!(biased; …)` is a pipeline. For that they are prepared before.
///
/// Dropped within a transaction, or after an answer that did not come in time, the connection is closed; otherwise it goes
/// back to the pool. After such an answer all connections are closed that nobody uses.
#[derive(Debug)]
pub(super) struct Session {
    client: Option<Object>,
    clock: PostgresClock,
    statement_timeout: Duration,
    is_within: AtomicBool,
    is_given_up: AtomicBool,
}

impl Session {
    pub(super) fn new(client: Object, clock: PostgresClock, statement_timeout: Duration) -> Self {
        Self {
            client: Some(client),
            clock,
            statement_timeout,
            is_within: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Makes statements ready, in which `{now}` is the moment. It costs nothing from the second time on.
    pub(super) async fn prepare<const N: usize>(
        &self,
        statements: [&str; N],
    ) -> Result<[Statement; N], Failure> {
        let mut prepared = Vec::with_capacity(N);
        for sql in statements {
            let sql = self.clock.fill(sql);
            prepared.push(self.within_time(self.client()?.prepare_cached(&sql)).await?);
        }
        Ok(prepared.try_into().unwrap_or_else(|_| unreachable!("there is one for each")))
    }

    /// All rows of a prepared statement.
    pub(super) async fn rows<const N: usize>(
        &self,
        statement: &Statement,
        values: Values<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        self.within_time(self.client()?.query(statement, &values)).await
    }

    /// The only row of a prepared statement that always has one.
    pub(super) async fn only<const N: usize>(
        &self,
        statement: &Statement,
        values: Values<'_, N>,
    ) -> Result<Row, Failure> {
        self.within_time(self.client()?.query_one(statement, &values)).await
    }

    /// Like [`Self::rows`], but not if there is nothing to ask.
    pub(super) async fn rows_unless<const N: usize>(
        &self,
        is_idle: bool,
        statement: &Statement,
        values: Values<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        if is_idle { Ok(Vec::new()) } else { self.rows(statement, values).await }
    }

    /// Like [`Self::run`], but not if there is nothing to change.
    pub(super) async fn run_unless<const N: usize>(
        &self,
        is_idle: bool,
        statement: &Statement,
        values: Values<'_, N>,
    ) -> Result<u64, Failure> {
        if is_idle { Ok(0) } else { self.run(statement, values).await }
    }

    /// How many rows a prepared statement has changed.
    pub(super) async fn run<const N: usize>(
        &self,
        statement: &Statement,
        values: Values<'_, N>,
    ) -> Result<u64, Failure> {
        self.within_time(self.client()?.execute(statement, &values)).await
    }

    /// All rows of a statement.
    pub(super) async fn query<const N: usize>(
        &self,
        sql: &str,
        values: Values<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        let [statement] = self.prepare([sql]).await?;
        self.rows(&statement, values).await
    }

    /// The first row of a statement, if it has any.
    pub(super) async fn first<const N: usize>(
        &self,
        sql: &str,
        values: Values<'_, N>,
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// The only row of a statement that always has one.
    pub(super) async fn one<const N: usize>(&self, sql: &str, values: Values<'_, N>) -> Result<Row, Failure> {
        let [statement] = self.prepare([sql]).await?;
        self.only(&statement, values).await
    }

    /// How many rows a statement has changed.
    pub(super) async fn execute<const N: usize>(
        &self,
        sql: &str,
        values: Values<'_, N>,
    ) -> Result<u64, Failure> {
        let [statement] = self.prepare([sql]).await?;
        self.run(&statement, values).await
    }

    /// Begins a transaction. It is to be polled before the first statement of it.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        self.is_within.store(true, Ordering::Relaxed);
        self.within_time(self.client()?.batch_execute("BEGIN")).await
    }

    /// Ends the transaction. After a statement that failed, and was not waited for, it takes all back without an error.
    pub(super) async fn commit(&self) -> Result<(), Failure> {
        self.within_time(self.client()?.batch_execute("COMMIT")).await?;
        self.is_within.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the transaction: keeps what went well, else takes all of it back.
    pub(super) async fn end<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match result {
            Ok(value) => self.commit().await.map(|()| value).map_err(failed("committing")),
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// Takes the transaction back. If that fails, the connection goes, which does it, too.
    pub(super) async fn roll_back(&self) {
        let Ok(client) = self.client() else { return };
        match self.within_time(client.batch_execute("ROLLBACK")).await {
            Ok(()) => self.is_within.store(false, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "a connection goes, with its transaction"),
        }
    }

    /// How long it takes at most from the beginning of a statement that writes to the end of its transaction, with two more
    /// in between: whichever is later is taken back by the server.
    pub(super) fn transaction_max(&self) -> Duration {
        4 * self.statement_timeout + 2 * IDLE_IN_TRANSACTION_MAX
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().filter(|_| !self.is_given_up.load(Ordering::Relaxed)).ok_or(Failure::GivenUp)
    }

    /// Waits a little longer for an answer than the server works on it.
    async fn within_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let longest = self.statement_timeout + GRACE;
        match tokio::time::timeout(longest, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                self.is_given_up.store(true, Ordering::Relaxed);
                Err(Failure::Late(longest))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && (self.is_within.load(Ordering::Relaxed) || self.is_given_up.load(Ordering::Relaxed))
        {
            // A server that says nothing at all, not even that time is up, is not there any more: nor is it for others.
            if self.is_given_up.load(Ordering::Relaxed)
                && let Some(pool) = Object::pool(&client)
            {
                pool.retain(|_, _| false);
            }
            drop(Object::take(client)); // out of the pool; dropping it closes the connection
        }
    }
}
