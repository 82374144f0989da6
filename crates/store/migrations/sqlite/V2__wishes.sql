-- What clients may ask for besides making tasks and reading them.

ALTER TABLE tasks ADD COLUMN cancel_requested_at INTEGER; -- when its owner first asked to stop it
ALTER TABLE tasks ADD COLUMN forgotten_at        INTEGER; -- since when it does not exist for its owner

-- An owner's tasks by age, for lists.
CREATE INDEX tasks_of_owner ON tasks (owner, created_at, id) WHERE forgotten_at IS NULL;

ALTER TABLE assets ADD COLUMN expires_at INTEGER; -- NULL: never

ALTER TABLE client_keys ADD COLUMN dialect TEXT; -- the API that paths of several belong to; NULL: the request decides
