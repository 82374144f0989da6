-- Accounts that are to get no new work, because an operator said so.
CREATE TABLE drained_accounts (
    account    TEXT    NOT NULL PRIMARY KEY,
    drained_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
