//! For tests: how SQLite would run a statement on a fresh database.

use std::time::Duration;

use super::{connection, migrations};

/// The steps, in SQLite's words.
pub(super) fn of(sql: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let mut connection = connection::open_for_writing(&path, Duration::ZERO).unwrap();
    migrations::run(&path, &mut connection).unwrap();
    let mut statement = connection.prepare(&["EXPLAIN QUERY PLAN ", sql].concat()).unwrap();
    (1..=statement.parameter_count()).for_each(|n| statement.raw_bind_parameter(n, 1).unwrap());
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get("detail").unwrap());
    }
    steps
}
