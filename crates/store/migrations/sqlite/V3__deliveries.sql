-- Messages that tell a client's own server how a task ended. A message is stored in the transaction that ends the task,
-- and its bytes never change afterwards.
CREATE TABLE deliveries (
    id           TEXT    NOT NULL PRIMARY KEY, -- what the receiver knows repetitions by
    task_id      TEXT    NOT NULL UNIQUE REFERENCES tasks (id),
    host         TEXT    NOT NULL,             -- of url, with its port
    url          TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    tries        INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    last_error   TEXT,                         -- what became of the last try, if it failed
    settled_at   INTEGER,
    due_at       INTEGER,                      -- when it may be claimed: a claimed one's end of lease; NULL when settled
    lease_holder TEXT,
    lease_epoch  INTEGER NOT NULL,
    CHECK ((due_at IS NULL) = (state <> 'waiting'))
) STRICT;

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (settled_at) WHERE state = 'dead';
