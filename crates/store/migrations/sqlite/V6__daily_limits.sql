-- What counts against limits of one day, and which version of an account an attempt was made with.
-- Days are counted from the Unix epoch, in UTC. Amounts are billionths of the gateway's currency.

-- What has been used of a limit in one day. Rows of days that are over are deleted.
CREATE TABLE daily_usage (
    day   INTEGER NOT NULL,
    kind  TEXT    NOT NULL CHECK (kind IN ('client', 'client_model', 'account', 'provider')),
    name  TEXT    NOT NULL, -- of the owner, the account or the provider
    model TEXT    NOT NULL, -- the public model; empty if it is a limit for all of them
    tasks INTEGER NOT NULL CHECK (tasks >= 0),
    spend INTEGER NOT NULL CHECK (spend >= 0),
    PRIMARY KEY (day, kind, name, model)
) STRICT, WITHOUT ROWID;

-- What has been counted for whom, so that it is counted once and what comes back goes to where it was counted.
CREATE TABLE daily_uses (
    task_id TEXT    NOT NULL,
    attempt INTEGER NOT NULL, -- 0: the task itself, at accept
    kind    TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    model   TEXT    NOT NULL,
    day     INTEGER NOT NULL,
    spend   INTEGER NOT NULL, -- when it was counted
    PRIMARY KEY (task_id, attempt, kind, name, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX daily_uses_of_day ON daily_uses (day);

-- The version of the account that the attempt was made with; empty where it was not kept.
ALTER TABLE attempts ADD COLUMN account_version TEXT NOT NULL DEFAULT '';
