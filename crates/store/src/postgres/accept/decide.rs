//! Which new tasks may be stored, decided in the order in which they were asked for.

use std::collections::{HashMap, HashSet};

use domain::{Money, TaskId, Timestamp};

use crate::postgres::daily::{Days, Touch};
use crate::postgres::text::storable;
use crate::rows::NewRow;
use crate::{Admission, IdempotencyKey, StoreError, Terms};

/// A new task, and what its owner may have.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) row: NewRow,
    pub(super) terms: Terms,
    /// Whether it may have been stored by a transaction that was not answered.
    pub(super) is_in_doubt: bool,
}

/// What is stored, and what would be with those that were admitted.
#[derive(Debug)]
pub(super) struct Known {
    now: Timestamp,
    pub(super) days: Days,
    owners: HashMap<String, Owner>,
    keys: HashMap<(String, String), (Vec<u8>, String)>,
    ids: HashSet<String>,
    had: HashSet<String>,
}

/// What an owner has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Owner {
    pub(super) live: u32,
    pub(super) committed: i64,
}

/// The days that all of them count in.
pub(super) fn days(asked: &[Asked]) -> Touch {
    Touch::of(asked.iter().flat_map(|asked| &asked.terms.daily).map(|limit| &limit.key))
}

impl Known {
    pub(super) fn at(now: Timestamp) -> Self {
        Self {
            now,
            days: Days::default(),
            owners: HashMap::new(),
            keys: HashMap::new(),
            ids: HashSet::new(),
            had: HashSet::new(),
        }
    }

    pub(super) fn add_owner(&mut self, owner: String, (live, committed): (u32, i64)) {
        self.owners.insert(owner, Owner { live, committed });
    }

    pub(super) fn add_key(&mut self, key: (String, String), fingerprint: Vec<u8>, task: String) {
        self.keys.insert(key, (fingerprint, task));
    }

    pub(super) fn add_id(&mut self, id: String) {
        self.ids.insert(id);
    }

    pub(super) fn owner(&self, owner: &str) -> Owner {
        self.owners.get(owner).copied().unwrap_or_default()
    }

    /// Whether it was stored by the transaction that was in doubt.
    pub(super) fn had(&self, asked: &Asked) -> bool {
        self.had.contains(&asked.row.id)
    }

    /// Whether it is admitted; if so, it counts for those after it.
    pub(super) fn decide(&mut self, asked: &Asked) -> Result<Admission, StoreError> {
        let Asked { row, terms, is_in_doubt } = asked;
        if *is_in_doubt && self.ids.contains(&row.id) {
            self.had.insert(row.id.clone());
            return Ok(Admission::Admitted);
        }
        if let Some(key) = &terms.idempotency
            && let Some(known) = self.known(&row.owner, key)
        {
            return Ok(known);
        }
        for limit in &terms.daily {
            if let Some(over) = limit.over(self.days.used(&limit.key), row.reserved, self.now) {
                return Ok(Admission::OverDaily(over));
            }
        }
        let owner = self.owner(&row.owner);
        if let Some(refusal) = refusal(owner, row.reserved, terms) {
            return Ok(refusal);
        }
        if !self.ids.insert(row.id.clone()) {
            return Err(StoreError::Conflict(format!("task {}", row.id)));
        }
        let reserved = row.reserved.billionths();
        self.add_owner(row.owner.clone(), (owner.live + 1, owner.committed + reserved));
        if let Some(key) = &terms.idempotency {
            self.add_key(name(&row.owner, key), key.fingerprint.to_vec(), row.id.clone());
        }
        for limit in &terms.daily {
            self.days.count(&limit.key, row.reserved);
        }
        Ok(Admission::Admitted)
    }

    fn known(&self, owner: &str, key: &IdempotencyKey) -> Option<Admission> {
        let (fingerprint, task) = self.keys.get(&name(owner, key))?;
        Some(if fingerprint == &key.fingerprint {
            Admission::Replayed { task: TaskId::new(task) }
        } else {
            Admission::KeyReused
        })
    }
}

fn name(owner: &str, key: &IdempotencyKey) -> (String, String) {
    (owner.to_owned(), storable(&key.key).into_owned())
}

/// Why an owner that has so much may not have another task of that price.
fn refusal(owner: Owner, price: Money, terms: &Terms) -> Option<Admission> {
    if owner.live >= terms.concurrent_tasks {
        return Some(Admission::AtLimit { live: owner.live });
    }
    let left = terms.budget?.checked_sub(Money::from_billionths(owner.committed)).unwrap_or_default();
    // What costs nothing needs no room.
    (price > Money::ZERO && price > left).then_some(Admission::OverBudget { left })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{DailyLimits, GenerationRequest, OwnerId, Quote, Scope, Task, TaskState};

    use super::*;
    use crate::{DailyKey, DailyLimit};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn asked(id: &str, terms: Terms) -> Asked {
        let task = Task {
            id: TaskId::new(id),
            owner: OwnerId::new("ann"),
            dialect: "v2".into(),
            request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
            state: TaskState::Queued,
            attempts: vec![],
            created_at: NOW,
            deadline_at: NOW.plus(Duration::from_secs(60)),
            quote: Quote { reserved: Money::from_billionths(40), ..Quote::default() },
            version: 0,
        };
        Asked { row: NewRow::encode(&task).unwrap(), terms, is_in_doubt: false }
    }

    fn named(key: &str, fingerprint: u8) -> Terms {
        let lifetime = Duration::from_secs(60);
        let idempotency = IdempotencyKey { key: key.into(), fingerprint: [fingerprint; 32], lifetime };
        Terms { idempotency: Some(idempotency), ..Terms::concurrent_tasks(9) }
    }

    #[test]
    fn those_before_count_for_those_after() {
        let mut known = Known::at(NOW);
        known.add_owner("ann".into(), (1, 30));
        let terms = Terms { budget: Some(Money::from_billionths(100)), ..Terms::concurrent_tasks(3) };
        assert_eq!(known.decide(&asked("a", terms.clone())).unwrap(), Admission::Admitted);
        let left = Money::from_billionths(30);
        assert_eq!(known.decide(&asked("b", terms)).unwrap(), Admission::OverBudget { left });
        assert_eq!(known.decide(&asked("b", Terms::concurrent_tasks(3))).unwrap(), Admission::Admitted);
        assert_eq!(
            known.decide(&asked("c", Terms::concurrent_tasks(3))).unwrap(),
            Admission::AtLimit { live: 3 }
        );
        assert_eq!((known.owner("ann").live, known.owner("ann").committed), (3, 110));
    }

    #[test]
    fn a_day_counts_those_of_the_group() {
        let key = DailyKey::Client(OwnerId::new("ann"));
        let limits = DailyLimits { tasks: Some(1), spend: None };
        let terms =
            Terms { daily: vec![DailyLimit { key: key.clone(), limits }], ..Terms::concurrent_tasks(9) };
        let mut known = Known::at(NOW);
        assert_eq!(known.decide(&asked("a", terms.clone())).unwrap(), Admission::Admitted);
        assert!(matches!(known.decide(&asked("b", terms)).unwrap(), Admission::OverDaily(_)));
        assert_eq!((known.days.used(&key).tasks, known.owner("ann").live), (1, 1));
    }

    #[test]
    fn one_key_makes_one_task_of_a_group() {
        let mut known = Known::at(NOW);
        assert_eq!(known.decide(&asked("a", named("k\0", 1))).unwrap(), Admission::Admitted);
        let replayed = Admission::Replayed { task: TaskId::new("a") };
        assert_eq!(known.decide(&asked("b", named("k\0", 1))).unwrap(), replayed);
        assert_eq!(known.decide(&asked("c", named("k\0", 2))).unwrap(), Admission::KeyReused);
        assert_eq!(known.owner("ann").live, 1);
    }

    #[test]
    fn what_was_in_doubt_and_is_there_was_admitted_and_is_not_stored_again() {
        let mut known = Known::at(NOW);
        known.add_id("a".into());
        assert!(matches!(known.decide(&asked("a", named("k", 1))), Err(StoreError::Conflict(_))));
        let doubtful = Asked { is_in_doubt: true, ..asked("a", named("k", 1)) };
        assert_eq!(known.decide(&doubtful).unwrap(), Admission::Admitted);
        assert!(known.had(&doubtful));
        let absent = Asked { is_in_doubt: true, ..asked("b", Terms::concurrent_tasks(9)) };
        assert_eq!(known.decide(&absent).unwrap(), Admission::Admitted);
        assert!(!known.had(&absent), "it was not stored before, so it is now");
    }
}
