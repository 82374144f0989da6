//! Every bound of the store on PostgreSQL, by name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Credential;

/// The bounds of a [`PostgresStore`](crate::PostgresStore). Bounds of zero count as one.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Where it is: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`. Certificates are always checked where
    /// TLS is used.
    pub url: Credential,
    /// Who signs the server's certificate, in PEM; absent: who signs those of the web.
    pub ca_file: Option<PathBuf>,
    /// Connections at one time. One of them is that of new tasks.
    pub connections_max: usize,
    /// For a new connection.
    pub connect_timeout: Duration,
    /// For each statement, on either side: the server ends it, or the connection is given up.
    pub statement_timeout: Duration,
    /// How long to wait for one of the connections while all are in use.
    pub acquire_timeout: Duration,
    /// Whether opening the store brings its schema up to date.
    pub migrate_at_start: bool,
    /// New tasks that wait to be stored at one time; more are refused as unavailable.
    pub accepts_waiting_max: usize,
    /// New tasks that share one transaction at most.
    pub batch_max: usize,
    /// The store's clock: the database's.
    pub clock: PostgresClock,
    /// Accepts a server that would lose what it has committed when its power fails. Only for tests.
    pub allow_unsafe_server: bool,
}

impl PostgresSettings {
    /// The usual bounds, for the database of that URL.
    pub fn new(url: Credential) -> Self {
        Self {
            url,
            ca_file: None,
            connections_max: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(5),
            migrate_at_start: true,
            accepts_waiting_max: 4096,
            batch_max: 512,
            clock: PostgresClock::default(),
            allow_unsafe_server: false,
        }
    }
}

/// What the database computes to know the moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub struct PostgresClock(Arc<str>);

impl PostgresClock {
    /// Another expression than the database's clock, of type BIGINT. Only for tests.
    pub fn from_expression(sql: &str) -> Self {
        // As a subquery it is computed once for each place where it stands, so that indexes serve comparisons with it.
        Self(format!("(SELECT {sql})").into())
    }

    /// The statement with the moment in each place of `{now}`.
    pub(super) fn fill(&self, sql: &str) -> String {
        sql.replace("{now}", &self.0)
    }
}

impl Default for PostgresClock {
    fn default() -> Self {
        Self::from_expression("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    }
}
