//! The back end for many servers: PostgreSQL, and what speaks its protocol.
//!
//! All clocks are the database's. Whoever locks rows of several tables locks them in one order: the task, its owner (several
//! in the order of their names), then what is used of days (in the order of its key). What a transaction may do again, it
//! does after a deadlock or a failed serialization ([`retry`]).
//!
//! Left out on purpose, so that distributed engines with PostgreSQL's protocol can serve: advisory locks, partitions,
//! procedures. `LISTEN` only makes a look come sooner.

mod accept;
mod assets;
mod attempts;
mod books;
mod claims;
mod connect;
mod daily;
mod deliveries;
mod durations;
mod failure;
mod idempotency;
mod inbox;
mod inspections;
mod keys;
mod late;
mod ledger;
mod migrations;
mod nudges;
mod operations;
#[cfg(test)]
mod plans;
mod pool;
mod retention;
mod retry;
mod rows;
mod session;
mod settings;
mod summary;
mod tasks;
mod text;
mod wishes;

pub use self::settings::{PostgresClock, PostgresSettings};

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use self::accept::Accepts;
use self::failure::failed;
use self::nudges::{Nudges, Nudging};
use self::pool::Pool;
use crate::unreadable::Unreadable;
use crate::{Nudge, Store, StoreError};

/// Tasks in one PostgreSQL database, which many gateways may serve from at one time.
#[derive(Debug)]
pub struct PostgresStore {
    accepts: Accepts,
    nudges: Nudges,
    nudging: Nudging,
    pool: Arc<Pool>,
    unreadable: Unreadable,
}

impl PostgresStore {
    /// Connects, brings the schema up to date if the settings say so, and makes sure that what is committed stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer, has another schema than this program needs, or would
    /// forget what it has answered.
    pub async fn open(settings: PostgresSettings) -> Result<Self, StoreError> {
        let pool = Arc::new(Pool::new(&settings)?);
        if settings.migrate_at_start {
            migrations::run(&settings).await?;
        }
        migrations::check(&settings).await?;
        pool.session().await?;
        let nudging = Nudging::default();
        Ok(Self {
            accepts: Accepts::start(Arc::clone(&pool), nudging.clone(), &settings),
            nudges: Nudges::start(settings, nudging.clone()),
            nudging,
            pool,
            unreadable: Unreadable::default(),
        })
    }

    /// Applies what the schema lacks; the names of what was applied. Without a change it is only said what would be.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer, [`StoreError::Backend`] if it refuses a change; then
    /// nothing was changed.
    pub async fn migrate(settings: &PostgresSettings) -> Result<Vec<String>, StoreError> {
        migrations::run(settings).await
    }

    /// The names of the changes that the schema lacks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn migrations_missing(settings: &PostgresSettings) -> Result<Vec<String>, StoreError> {
        migrations::missing(settings).await
    }

    /// The secret of that name, which all gateways on this database use alike: `fresh` if there was none.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the database fails, [`StoreError::Corrupt`] if what it has is no secret.
    pub async fn shared_secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let session = self.pool.session().await?;
        let put = "INSERT INTO shared_secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let get = "SELECT secret FROM shared_secrets WHERE name = $1";
        session.execute(put, [&name, &fresh.as_slice()]).await.map_err(failed("storing a secret"))?;
        let row = session.one(get, [&name]).await.map_err(failed("reading a secret"))?;
        let secret: Vec<u8> = rows::get(&row, "secret")?;
        secret.try_into().map_err(|_| StoreError::Corrupt(format!("secret {name}")))
    }
}

#[async_trait]
impl Store for PostgresStore {
    /// Also tells whether writes would get through: a server that only follows another takes none.
    async fn ping(&self) -> Result<(), StoreError> {
        let sql = "SELECT current_setting('transaction_read_only') AS read_only";
        let row = self.pool.session().await?.one(sql, []).await.map_err(failed("a ping"))?;
        match rows::get::<&str>(&row, "read_only")? {
            "on" => Err(StoreError::Unavailable("the database takes no writes".into())),
            _ => Ok(()),
        }
    }

    fn nudges(&self) -> Option<broadcast::Receiver<Nudge>> {
        Some(self.nudges.subscribe())
    }
}
