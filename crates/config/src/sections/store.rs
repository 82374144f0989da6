//! The section on where tasks are kept.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MIB;
use crate::environment::UrlRef;
use crate::text::{self, DurationText, SizeText};

/// The store: embedded, or a PostgreSQL that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Writes that may wait for the writer; more are refused.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// Waiting writes that share one transaction and one fsync.
    #[schemars(range(min = 1))]
    pub batch_max: usize,
    /// The write-ahead log of the embedded store is folded into the database when it has grown to this.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub wal_bytes_max: u64,
    /// A PostgreSQL in place of the embedded store: several gateways may serve from it at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
}

impl Default for Store {
    fn default() -> Self {
        Self { queue_max: 10_000, batch_max: 512, wal_bytes_max: 64 * MIB, postgres: None }
    }
}

/// A PostgreSQL that keeps tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["url"]))]
pub struct Postgres {
    /// postgres://HOST:PORT/DATABASE; with a user, a password or options (sslmode=verify-full) only as env:NAME or file:PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["env:FILMGATE_DATABASE_URL"]))]
    pub url: Option<UrlRef>,
    /// Who signs the server's certificate, in PEM, in place of those that sign the web's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/filmgate/database-ca.pem"]))]
    pub ca_file: Option<PathBuf>,
    /// Connections of this gateway at one time, besides the one that it listens on.
    #[schemars(range(min = 2))]
    pub connections_max: usize,
    /// For a new connection.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub connect_timeout: Duration,
    /// For each statement; then its connection is given up.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub statement_timeout: Duration,
    /// Whether a start brings the schema up to date. Otherwise filmgate migrate does, and a start on an older schema fails.
    pub migrate_at_start: bool,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            ca_file: None,
            connections_max: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            migrate_at_start: true,
        }
    }
}
