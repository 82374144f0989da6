-- Moments are milliseconds since the Unix epoch.

-- How many tasks of an owner are live. Changed in the transaction that makes or ends a task, so it is always exact.
CREATE TABLE owners (
    owner      TEXT    NOT NULL PRIMARY KEY,
    live_tasks INTEGER NOT NULL CHECK (live_tasks >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id           TEXT    NOT NULL PRIMARY KEY,
    owner        TEXT    NOT NULL REFERENCES owners (owner),
    dialect      TEXT    NOT NULL,
    scope        TEXT    NOT NULL, -- as in request, for queries
    model        TEXT    NOT NULL, -- as in request, for queries
    state        TEXT    NOT NULL, -- as in state_data, for queries
    created_at   INTEGER NOT NULL,
    deadline_at  INTEGER NOT NULL,
    ended_at     INTEGER,          -- as in state_data, for queries
    version      INTEGER NOT NULL,
    due_at       INTEGER,          -- when it may be claimed: a claimed task's end of lease; NULL when it has ended
    lease_holder TEXT,             -- NULL if it is not claimed
    lease_epoch  INTEGER NOT NULL, -- counts claims
    state_data   TEXT    NOT NULL, -- JSON
    request      TEXT    NOT NULL, -- JSON
    CHECK ((due_at IS NULL) = (ended_at IS NOT NULL)),
    CHECK (lease_holder IS NULL OR due_at IS NOT NULL)
) STRICT;

-- Live tasks only, so that ended ones cost nothing. State and holder are in it so that counting by state and finding
-- the claimed read no table row.
CREATE INDEX tasks_live ON tasks (due_at, state, lease_holder) WHERE due_at IS NOT NULL;

CREATE TABLE attempts (
    task_id        TEXT    NOT NULL REFERENCES tasks (id),
    number         INTEGER NOT NULL,
    account        TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    upstream_model TEXT    NOT NULL,
    intended_at    INTEGER NOT NULL,
    outcome        TEXT    NOT NULL, -- JSON
    is_live        INTEGER NOT NULL CHECK (is_live IN (0, 1)),
    PRIMARY KEY (task_id, number)
) STRICT, WITHOUT ROWID;

-- The guard against paying twice: at most one possibly live attempt of each task.
CREATE UNIQUE INDEX attempts_live ON attempts (task_id) WHERE is_live = 1;

CREATE TABLE assets (
    id         TEXT    NOT NULL PRIMARY KEY,
    owner      TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE client_keys (
    owner               TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL,
    digest              BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    requests_per_minute INTEGER,
    concurrent_tasks    INTEGER,
    created_at          INTEGER NOT NULL,
    revoked_at          INTEGER
) STRICT;
