//! A witness in the database: a trigger that notes every write of a task with who made it. What the code that is being
//! tested says of its own claims counts for nothing here.

use serde_json::Value;

use crate::psql;

/// The schema of the witness, and a role for each replica.
const MADE: &str = "
CREATE SCHEMA watch;
CREATE TABLE watch.writes (
    seq BIGSERIAL PRIMARY KEY, task TEXT, version BIGINT, epoch BIGINT, state TEXT, writer TEXT, at TIMESTAMPTZ
);
CREATE INDEX ON watch.writes (task, seq);
CREATE TABLE watch.faults (task TEXT, epoch BIGINT, kind TEXT, at TIMESTAMPTZ);
CREATE FUNCTION watch.write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO watch.writes (task, version, epoch, state, writer, at)
    VALUES (NEW.id, NEW.version, NEW.lease_epoch, NEW.state, session_user, clock_timestamp());
    RETURN NEW;
END $$";
const TRIGGER: &str =
    "CREATE TRIGGER watched AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION watch.write()";
/// The claims that a replica holds now.
const HELD: &str = "FROM tasks t WHERE t.lease_holder IS NOT NULL AND '{writer}' =
    (SELECT writer FROM watch.writes w WHERE w.task = t.id AND w.epoch = t.lease_epoch ORDER BY seq LIMIT 1)";
/// Of all writes that made a new version: those made by another than who had claimed the task by then, and those that do
/// not follow the version or the claim before them.
const STALE: &str = "
WITH claims AS (SELECT DISTINCT ON (task, epoch) task, epoch, writer FROM watch.writes ORDER BY task, epoch, seq),
     writes AS (SELECT *, lag(version) OVER w AS version_before, lag(epoch) OVER w AS epoch_before FROM watch.writes
                WINDOW w AS (PARTITION BY task ORDER BY seq))
SELECT count(*) AS n, count(*) FILTER (WHERE writes.writer <> claims.writer) AS stale,
       count(*) FILTER (WHERE version <> version_before + 1 OR writes.epoch < epoch_before) AS torn
FROM writes JOIN claims USING (task, epoch) WHERE version <> version_before";
/// From a fault to the next claim of a task that was held then.
const TAKEOVERS: &str = "
SELECT kind, count(*) AS n, max(extract(epoch FROM (next.at - faults.at)))::float8 AS longest_s
FROM watch.faults JOIN LATERAL (
    SELECT at FROM watch.writes w WHERE w.task = faults.task AND w.epoch > faults.epoch ORDER BY seq LIMIT 1
) next ON true GROUP BY kind ORDER BY kind";

/// The witness of one database.
pub(super) struct Witness {
    url: String,
}

/// What the witness saw of all writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// Writes that made a new version of a task.
    pub n: i64,
    /// Those that were made by a replica that another one had taken the task from.
    pub stale: i64,
    /// Those that left out a version, or went back to an earlier claim.
    pub torn: i64,
}

/// From faults of one kind to the next claims of the tasks that were held then.
#[derive(Debug, Clone, PartialEq)]
pub struct Takeovers {
    /// The kind.
    pub kind: String,
    /// How many.
    pub n: i64,
    /// The longest, in seconds.
    pub longest_s: f64,
}

impl Witness {
    /// Prepares an empty database for replicas whose names begin with `writer` and end with their number, from 0.
    pub(super) fn prepare(url: &str, writer: &str, replicas: usize) -> Self {
        psql::run(url, MADE);
        for number in 0..replicas {
            psql::run(url, &format!("CREATE ROLE {writer}{number} LOGIN SUPERUSER"));
        }
        Self { url: url.to_owned() }
    }

    /// From now on all writes are seen. To be called when the schema is there.
    pub(super) fn watch(&self) {
        psql::run(&self.url, TRIGGER);
    }

    /// Notes that something of that kind has happened to a replica, and to the tasks that it holds.
    pub(super) fn note_fault(&self, writer: &str, kind: &str) {
        let held = HELD.replace("{writer}", writer);
        let note = format!(
            "INSERT INTO watch.faults SELECT t.id, t.lease_epoch, '{kind}', clock_timestamp() {held}"
        );
        psql::run(&self.url, &note);
    }

    /// The ports from which the database has sessions of roles whose names begin with `writer`.
    pub(super) fn session_ports(&self, writer: &str) -> Vec<u16> {
        let query = format!("SELECT client_port FROM pg_stat_activity WHERE usename LIKE '{writer}%'");
        let port = |row: &Value| row["client_port"].as_u64().and_then(|port| u16::try_from(port).ok());
        psql::rows(&self.url, &query).iter().filter_map(port).collect()
    }

    /// How many tasks a replica holds.
    pub(super) fn held(&self, writer: &str) -> i64 {
        self.one(&format!("SELECT count(*) AS n {}", HELD.replace("{writer}", writer)))["n"]
            .as_i64()
            .unwrap_or(0)
    }

    /// How many tasks have not ended, and how many messages wait.
    pub(super) fn unfinished(&self) -> i64 {
        let query = "SELECT (SELECT count(*) FROM tasks WHERE due_at IS NOT NULL)
                          + (SELECT count(*) FROM deliveries WHERE due_at IS NOT NULL) AS n";
        self.one(query)["n"].as_i64().unwrap_or(i64::MAX)
    }

    /// How many tasks were ever in that state.
    pub(super) fn ever_in(&self, state: &str) -> i64 {
        let query = format!("SELECT count(DISTINCT task) AS n FROM watch.writes WHERE state = '{state}'");
        self.one(&query)["n"].as_i64().unwrap_or(i64::MAX)
    }

    /// Who has written a task last.
    pub(super) fn last_writer(&self, task: &str) -> String {
        let query =
            format!("SELECT writer FROM watch.writes WHERE task = '{task}' ORDER BY seq DESC LIMIT 1");
        self.one(&query)["writer"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn writes(&self) -> Writes {
        let row = self.one(STALE);
        let count = |name: &str| row[name].as_i64().unwrap_or_else(|| panic!("no {name} in {row}"));
        Writes { n: count("n"), stale: count("stale"), torn: count("torn") }
    }

    pub(super) fn takeovers(&self) -> Vec<Takeovers> {
        let takeovers = |row: &Value| Takeovers {
            kind: row["kind"].as_str().unwrap_or_default().to_owned(),
            n: row["n"].as_i64().unwrap_or_default(),
            longest_s: row["longest_s"].as_f64().unwrap_or(f64::INFINITY),
        };
        psql::rows(&self.url, TAKEOVERS).iter().map(takeovers).collect()
    }

    fn one(&self, query: &str) -> Value {
        psql::rows(&self.url, query).pop().expect("a row")
    }
}
