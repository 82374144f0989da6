//! Brings the schema up to date. Changes only ever add, so that a program may run on a newer schema than its own while a
//! cluster is rolled to the next version.

use std::collections::HashSet;

use refinery::Runner;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connect;
use super::settings::PostgresSettings;
use crate::StoreError;

mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Several gateways may start at one time. Whoever comes second fails on what the first has just made, and finds it done
/// when it tries again.
const TRIES_MAX: u32 = 10;
const MADE_BY_ANOTHER: [&SqlState; 7] = [
    &SqlState::UNIQUE_VIOLATION,
    &SqlState::DUPLICATE_TABLE,
    &SqlState::DUPLICATE_OBJECT,
    &SqlState::DUPLICATE_COLUMN,
    &SqlState::T_R_SERIALIZATION_FAILURE,
    &SqlState::T_R_DEADLOCK_DETECTED,
    &SqlState::INTERNAL_ERROR, // "tuple concurrently updated"
];

/// What makes it run better and nothing depends on: engines that lack one of these do without it. A vacuum of a table that
/// holds mostly what has ended must not wait for a fifth of it to change; rows that change in place want room beside them.
const TUNING: [&str; 6] = [
    "ALTER TABLE tasks SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
         autovacuum_analyze_scale_factor = 0.02)",
    "ALTER TABLE attempts SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)",
    "ALTER TABLE owners SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
    "ALTER TABLE daily_usage SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
    "CREATE OR REPLACE FUNCTION filmgate_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    "CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger
         FOR EACH ROW EXECUTE FUNCTION filmgate_ledger_is_append_only()",
];

/// Applies what is missing, all of it or nothing; the names of what was applied.
pub(super) async fn run(settings: &PostgresSettings) -> Result<Vec<String>, StoreError> {
    failpoints::pass("migrating");
    let mut tries = 1;
    loop {
        let (mut client, _connection) = connect::alone(settings).await?;
        match runner().run_async(&mut client).await {
            Ok(report) => {
                let applied: Vec<_> = report.applied_migrations().iter().map(ToString::to_string).collect();
                for migration in &applied {
                    tracing::info!(migration, "schema changed");
                }
                if !applied.is_empty() {
                    tune(&client).await;
                }
                return Ok(applied);
            }
            Err(error) if tries < TRIES_MAX && was_made_by_another(&error) => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(50..200))).await;
            }
            Err(error) => {
                let operation = "bringing the schema up to date";
                return Err(StoreError::Backend { operation, source: Box::new(error) });
            }
        }
    }
}

/// What the schema lacks, by name.
pub(super) async fn missing(settings: &PostgresSettings) -> Result<Vec<String>, StoreError> {
    let (client, _connection) = connect::alone(settings).await?;
    let applied = applied(&client).await?;
    let runner = runner();
    let missing = runner.get_migrations().iter().filter(|it| !applied.contains(&it.version()));
    Ok(missing.map(ToString::to_string).collect())
}

/// Refuses a schema that lacks something.
pub(super) async fn check(settings: &PostgresSettings) -> Result<(), StoreError> {
    match missing(settings).await?.as_slice() {
        [] => Ok(()),
        missing => Err(StoreError::Unavailable(format!(
            "the database's schema is older than this program: run `filmgate migrate` (missing: {})",
            missing.join(", ")
        ))),
    }
}

/// All changes in one transaction, each with the note that it was made. What a newer program has added is left alone.
fn runner() -> Runner {
    embedded::migrations::runner().set_grouped(true).set_abort_missing(false)
}

async fn applied(client: &Client) -> Result<HashSet<i32>, StoreError> {
    match client.query("SELECT version FROM refinery_schema_history", &[]).await {
        Ok(rows) => Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect()),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(HashSet::new()),
        Err(error) => Err(super::failed("reading the schema's history")(error.into())),
    }
}

fn was_made_by_another(error: &refinery::Error) -> bool {
    let refinery::error::Kind::Connection(_, source) = error.kind() else { return false };
    let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| MADE_BY_ANOTHER.contains(&code))
}

async fn tune(client: &Client) {
    for sql in TUNING {
        if let Err(error) = client.batch_execute(sql).await {
            tracing::info!(error = %super::failure::in_full(&error), sql, "the database does without this");
        }
    }
}
