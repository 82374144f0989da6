//! Which versions of accounts tasks still need.

use rusqlite::Connection;

use super::failed;
use crate::StoreError;

/// Attempts of ended tasks count as long as their upstreams are watched. The joins are crossed so that they begin with
/// the few, whatever SQLite guesses.
const VERSIONS: &str = "SELECT attempts.account_version
     FROM tasks CROSS JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live = 1
     WHERE tasks.due_at IS NOT NULL
     UNION SELECT attempts.account_version
     FROM late_watches CROSS JOIN attempts ON attempts.task_id = late_watches.task_id
     WHERE late_watches.due_at IS NOT NULL";

/// Each once.
pub(super) fn versions(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(VERSIONS)?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("reading versions of accounts"))
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn versions_are_found_without_reading_what_has_ended() {
        let plan = query_plan::of(VERSIONS);
        let reads: Vec<_> =
            plan.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).collect();
        let is_bounded = |step: &&&String| {
            ["INDEX tasks_live", "INDEX attempts_live", "INDEX late_watches_due"]
                .iter()
                .any(|i| step.contains(i))
                || step.starts_with("SEARCH attempts USING PRIMARY KEY")
        };
        assert!(reads.len() == 4 && reads.iter().all(|step| is_bounded(&step)), "{plan:?}");
    }
}
