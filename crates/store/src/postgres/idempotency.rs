//! Clients' own names of requests. Whoever stores or reads one holds its owner's row, so that one makes one task.

/// Those that are known and have not expired.
pub(super) const READ: &str = "SELECT known.owner, known.key, known.fingerprint, known.task_id
    FROM unnest($1::text[], $2::text[]) AS asked (owner, key)
         JOIN idempotency_keys AS known ON known.owner = asked.owner AND known.key = asked.key
    WHERE known.expires_at > {now}";
/// In place of an expired one, if there is one.
pub(super) const STORE: &str = "INSERT INTO idempotency_keys (owner, key, fingerprint, task_id, expires_at)
    SELECT owner, key, fingerprint, task_id, {now} + lifetime
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bigint[])
         AS new (owner, key, fingerprint, task_id, lifetime)
    ON CONFLICT (owner, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, task_id = excluded.task_id, expires_at = excluded.expires_at";
