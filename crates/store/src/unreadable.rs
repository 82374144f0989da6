//! Tasks that this program cannot read, as when a newer one has written them: it leaves them alone, and goes on with the
//! others.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use domain::TaskId;

use crate::rows::TaskRow;
use crate::{Claim, StoreError};

/// More would make looking for due tasks slow.
const KEPT_MAX: usize = 1000;

/// A claimed task, not yet decoded.
#[derive(Debug)]
pub(crate) struct ClaimedRow {
    pub(crate) task: TaskRow,
    pub(crate) epoch: u64,
    pub(crate) cancel_requested: bool,
    pub(crate) crashes: u32,
}

/// What came of decoding claimed tasks.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Those that can be read.
    pub(crate) claims: Vec<Claim>,
    /// Those that cannot, and are left out of the next claims: to be given back at once.
    pub(crate) unreadable: Vec<(TaskId, u64)>,
    /// Those that cannot, and are too many to be left out: to be given back until their leases would have ended.
    pub(crate) too_many: Vec<(TaskId, u64)>,
}

/// Which versions of tasks were found to be unreadable. One that gets another version is looked at again.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Mutex<HashSet<String>>);

impl Unreadable {
    /// Decodes claimed tasks. One that cannot be read is logged, once.
    pub(crate) fn decode(&self, rows: Vec<ClaimedRow>) -> Decoded {
        let mut decoded = Decoded::default();
        for ClaimedRow { task, epoch, cancel_requested, crashes } in rows {
            let (id, mark) = (TaskId::new(task.id()), mark(task.version, task.id()));
            match task.decode() {
                Ok(task) => decoded.claims.push(Claim { task, epoch, cancel_requested, crashes }),
                Err(error) if self.note(mark, &error) => decoded.unreadable.push((id, epoch)),
                Err(_) => decoded.too_many.push((id, epoch)),
            }
        }
        decoded
    }

    /// What the next claims leave out: versions and ids, as in [`mark`].
    pub(crate) fn marks(&self) -> Vec<String> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.iter().cloned().collect()
    }

    /// False if there are too many.
    fn note(&self, mark: String, error: &StoreError) -> bool {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = marks.len() < KEPT_MAX;
        if has_room && marks.insert(mark) {
            tracing::error!(%error, "a task is left alone: has a newer filmgate written it?");
        }
        has_room
    }
}

/// As statements make it of a row, too.
fn mark(version: u64, id: &str) -> String {
    format!("{version} {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, state_data: &str) -> ClaimedRow {
        let task = TaskRow {
            id: id.to_owned(),
            owner: "ann".to_owned(),
            dialect: "v2".to_owned(),
            request: r#"{"scope":"videos","model":"m","prompt":"p"}"#.to_owned(),
            state_data: state_data.to_owned(),
            created_at: 0,
            deadline_at: 0,
            quote: None,
            version: 3,
            attempts: Vec::new(),
        };
        ClaimedRow { task, epoch: 7, cancel_requested: false, crashes: 0 }
    }

    #[test]
    fn what_cannot_be_read_is_kept_apart_up_to_a_bound() {
        let unreadable = Unreadable::default();
        let whole = row("whole", r#"{"state":"queued"}"#);
        let decoded = unreadable.decode(vec![row("new", r#"{"state":"rendering"}"#), whole]);
        assert_eq!((decoded.claims.len(), decoded.unreadable), (1, vec![(TaskId::new("new"), 7)]));
        assert_eq!(unreadable.marks(), ["3 new"]);
        let many = (1..=KEPT_MAX).map(|number| row(&number.to_string(), "{}")).collect();
        let decoded = unreadable.decode(many);
        assert_eq!((decoded.unreadable.len(), decoded.too_many.len()), (KEPT_MAX - 1, 1));
    }
}
