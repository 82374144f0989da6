//! Clients' own names of requests.

use domain::{TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::failed;
use crate::{Admission, IdempotencyKey, StoreError};

/// What is known of a key that has not expired; `None` if it is new.
pub(super) fn known(
    connection: &Connection,
    owner: &str,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Admission>, StoreError> {
    let sql =
        "SELECT fingerprint, task_id FROM idempotency_keys WHERE owner = ?1 AND key = ?2 AND expires_at > ?3";
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![owner, key.key, now.as_millis()];
        statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
    };
    let known: Option<([u8; 32], String)> = read().map_err(failed("reading a key of idempotency"))?;
    Ok(known.map(|(fingerprint, task)| {
        if fingerprint == key.fingerprint {
            Admission::Replayed { task: TaskId::new(task) }
        } else {
            Admission::KeyReused
        }
    }))
}

/// Notes that `key` has made `task`, in place of an expired one.
pub(super) fn store(
    connection: &Connection,
    (owner, task): (&str, &str),
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO idempotency_keys (owner, key, fingerprint, task_id, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint,
                   task_id = excluded.task_id, expires_at = excluded.expires_at
               WHERE expires_at <= ?6";
    let expires_at = now.plus(key.lifetime).as_millis();
    let insert = || {
        let values = params![owner, key.key, key.fingerprint, task, expires_at, now.as_millis()];
        connection.prepare_cached(sql)?.execute(values)
    };
    match insert().map_err(failed("storing a key of idempotency"))? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict("the key of idempotency".to_owned())),
    }
}
