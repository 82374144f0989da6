//! Who holds which slots in this process, and until when.

use std::collections::HashMap;

use domain::TaskId;

use crate::contract::{Holding, LimitKey, SlotVerdict};

/// The leases of all keys. Those that are over are forgotten when they would count.
#[derive(Default)]
pub(crate) struct Leases {
    by_key: HashMap<LimitKey, Holders>,
}

/// The holders of one key's slots.
struct Holders {
    ends: HashMap<TaskId, u64>,
    /// No lease ends before this, so until then nobody need look for one that is over.
    first_end: u64,
}

/// A slot with what is left of its lease, in microseconds.
pub(crate) struct Lease {
    pub(crate) key: LimitKey,
    pub(crate) task: TaskId,
    pub(crate) left: u64,
}

impl Leases {
    /// Takes one slot of each for `task` until `end`, or none.
    pub(crate) fn acquire(
        &mut self,
        task: &TaskId,
        slots: &[(LimitKey, u32)],
        (now, end): (u64, u64),
    ) -> SlotVerdict {
        for (index, (key, max)) in slots.iter().enumerate() {
            let Some(holders) = self.by_key.get_mut(key) else {
                if *max == 0 {
                    return SlotVerdict::Full { index, in_use: 0 };
                }
                continue;
            };
            holders.forget_ended(now);
            if !holders.ends.contains_key(task) && holders.count() >= *max {
                return SlotVerdict::Full { index, in_use: holders.count() };
            }
        }
        for (key, _) in slots {
            self.hold_one(task, key, end);
        }
        SlotVerdict::Taken
    }

    /// Holds slots until `end`, whatever the bounds are.
    pub(crate) fn hold(&mut self, holding: &Holding, end: u64) {
        for key in &holding.keys {
            self.hold_one(&holding.task, key, end);
        }
    }

    pub(crate) fn release(&mut self, holding: &Holding) {
        for key in &holding.keys {
            let Some(holders) = self.by_key.get_mut(key) else { continue };
            holders.ends.remove(&holding.task);
            if holders.ends.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    pub(crate) fn in_use(&mut self, key: &LimitKey, now: u64) -> u32 {
        self.by_key.get_mut(key).map_or(0, |holders| {
            holders.forget_ended(now);
            holders.count()
        })
    }

    /// All leases that are not over.
    pub(crate) fn all(&mut self, now: u64) -> Vec<Lease> {
        self.forget_ended(now);
        let leases = self.by_key.iter().flat_map(|(key, holders)| {
            let lease = |(task, end): (&TaskId, &u64)| Lease {
                key: key.clone(),
                task: task.clone(),
                left: end - now,
            };
            holders.ends.iter().map(lease)
        });
        leases.collect()
    }

    /// Forgets what is over, also of keys that nobody asks for any more.
    pub(crate) fn forget_ended(&mut self, now: u64) {
        self.by_key.retain(|_, holders| {
            holders.forget_ended(now);
            !holders.ends.is_empty()
        });
    }

    fn hold_one(&mut self, task: &TaskId, key: &LimitKey, end: u64) {
        if let Some(holders) = self.by_key.get_mut(key) {
            holders.ends.insert(task.clone(), end);
            holders.first_end = holders.first_end.min(end);
        } else {
            let holders = Holders { ends: HashMap::from([(task.clone(), end)]), first_end: end };
            self.by_key.insert(key.clone(), holders);
        }
    }
}

impl Holders {
    fn forget_ended(&mut self, now: u64) {
        if self.first_end <= now {
            self.ends.retain(|_, end| *end > now);
            self.first_end = self.ends.values().min().copied().unwrap_or(u64::MAX);
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use domain::AccountName;

    use super::*;

    fn holding(task: &str, account: &str) -> Holding {
        Holding { task: TaskId::new(task), keys: vec![LimitKey::Account(AccountName::new(account))] }
    }

    #[test]
    fn keys_without_slots_are_not_remembered() {
        let mut leases = Leases::default();
        leases.hold(&holding("t1", "given-back"), 10);
        leases.release(&holding("t1", "given-back"));
        leases.hold(&holding("t2", "ended"), 10);
        leases.forget_ended(10);
        assert!(leases.by_key.is_empty());
    }

    #[test]
    fn a_lease_that_was_shortened_ends_in_time() {
        let mut leases = Leases::default();
        leases.hold(&holding("t", "a"), 100);
        leases.hold(&holding("t", "a"), 10);
        assert_eq!(leases.in_use(&holding("t", "a").keys[0], 10), 0);
    }
}
