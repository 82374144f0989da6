-- Tasks that crash whoever takes a step with them; few, if any.
CREATE INDEX tasks_crashing ON tasks (crashes) WHERE crashes > 0;

-- What came after the end of its task.
CREATE INDEX late_watches_came ON late_watches (settled_at) WHERE outputs IS NOT NULL;
