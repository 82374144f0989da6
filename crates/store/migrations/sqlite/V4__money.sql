-- What keeps money safe: prices and budgets, keys of idempotency, what upstreams told us, what is watched after its end.
-- Amounts are billionths of the gateway's currency.

ALTER TABLE owners ADD COLUMN committed INTEGER NOT NULL DEFAULT 0; -- set aside or spent, in all
ALTER TABLE client_keys ADD COLUMN budget INTEGER;                  -- NULL: none

ALTER TABLE tasks ADD COLUMN quote   TEXT;                       -- JSON; NULL if it is free
ALTER TABLE tasks ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0; -- claims that lapsed since one came to its end

-- The upstream's own id: no two attempts can be the same piece of its work.
ALTER TABLE attempts ADD COLUMN handle TEXT;
UPDATE attempts SET handle = json_extract(outcome, '$.accepted.handle')
    WHERE json_extract(outcome, '$.accepted.handle') <> ''
      AND json_extract(outcome, '$.accepted.handle') IS NOT
          (SELECT json_extract(request, '$.basis.handle') FROM tasks WHERE id = attempts.task_id)
      AND NOT EXISTS (SELECT 1 FROM attempts AS earlier
                      WHERE earlier.account = attempts.account
                        AND (earlier.task_id, earlier.number) < (attempts.task_id, attempts.number)
                        AND json_extract(earlier.outcome, '$.accepted.handle')
                            = json_extract(attempts.outcome, '$.accepted.handle'));
CREATE UNIQUE INDEX attempts_handle ON attempts (account, handle) WHERE handle IS NOT NULL;

-- Append-only. Outlives its tasks.
CREATE TABLE ledger (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id  TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('reserve', 'capture', 'release', 'late_adjustment')),
    amount   INTEGER NOT NULL CHECK (amount >= 0),
    owner    TEXT    NOT NULL,
    model    TEXT    NOT NULL,
    account  TEXT,             -- who is paid; NULL for what is set aside or freed
    handle   TEXT,             -- its own id of the task, for its bill
    at       INTEGER NOT NULL,
    UNIQUE (task_id, kind)
) STRICT;
CREATE INDEX ledger_at ON ledger (at);
CREATE TRIGGER ledger_is_not_rewritten BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_not_erased BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE idempotency_keys (
    owner       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    task_id     TEXT    NOT NULL REFERENCES tasks (id),
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_of_task ON idempotency_keys (task_id);
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);

-- Callbacks of upstreams. One that is repeated changes nothing.
CREATE TABLE inbox (
    account     TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    task_id     TEXT    NOT NULL REFERENCES tasks (id),
    attempt     INTEGER NOT NULL,
    handle      TEXT,             -- the upstream's own id of the task, where the callback has it
    received_at INTEGER NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_of_task ON inbox (task_id);

-- Tasks that have ended while an upstream may still be at work.
CREATE TABLE late_watches (
    task_id      TEXT    NOT NULL PRIMARY KEY REFERENCES tasks (id),
    until_at     INTEGER NOT NULL,
    due_at       INTEGER,          -- when it may be claimed: a claimed one's end of lease; NULL when it is over
    lease_epoch  INTEGER NOT NULL,
    outputs      TEXT,             -- JSON: what came late and is kept
    settled_at   INTEGER,
    CHECK ((due_at IS NULL) = (settled_at IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX late_watches_due ON late_watches (due_at) WHERE due_at IS NOT NULL;

-- What retention looks for.
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX assets_expiring ON assets (expires_at) WHERE expires_at IS NOT NULL;
