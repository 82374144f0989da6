//! Tasks at one time of one key in one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::LimitKey;

type Counts = Mutex<HashMap<LimitKey, u32>>;

/// Counts of slots in use. The truth is in the store's rows; after a restart the counts are rebuilt from them with
/// [`Slots::restore`].
#[derive(Clone, Default)]
pub struct Slots {
    in_use: Arc<Counts>,
}

/// One slot in use; dropping it gives it back.
#[must_use = "dropping a permit gives the slot back"]
pub struct Permit {
    in_use: Arc<Counts>,
    key: LimitKey,
}

impl Slots {
    /// Takes a slot of `key` if fewer than `max` are in use.
    pub fn try_acquire(&self, key: &LimitKey, max: u32) -> Option<Permit> {
        let mut counts = lock(&self.in_use);
        let count = counts.get(key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        counts.insert(key.clone(), count + 1);
        drop(counts);
        Some(self.permit(key))
    }

    /// Takes a slot that was in use before a restart, whatever the limit is now.
    pub fn restore(&self, key: &LimitKey) -> Permit {
        *lock(&self.in_use).entry(key.clone()).or_insert(0) += 1;
        self.permit(key)
    }

    /// How many slots of `key` are in use.
    pub fn in_use(&self, key: &LimitKey) -> u32 {
        lock(&self.in_use).get(key).copied().unwrap_or(0)
    }

    fn permit(&self, key: &LimitKey) -> Permit {
        Permit { in_use: Arc::clone(&self.in_use), key: key.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = lock(&self.in_use);
        let left = counts.get(&self.key).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            counts.remove(&self.key);
        } else {
            counts.insert(self.key.clone(), left);
        }
    }
}

fn lock(counts: &Counts) -> MutexGuard<'_, HashMap<LimitKey, u32>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::AccountName;

    use super::*;

    #[test]
    fn parallel_takers_never_exceed_the_limit() {
        let slots = Slots::default();
        let key = LimitKey::Account(AccountName::new("a"));
        let permits: Vec<Permit> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..50).filter_map(|_| slots.try_acquire(&key, 100)).collect::<Vec<_>>())
                })
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(permits.len(), 100);
        assert_eq!(slots.in_use(&key), 100);
        drop(permits);
        assert_eq!(slots.in_use(&key), 0);
        assert!(lock(&slots.in_use).is_empty(), "keys without slots are not remembered");
    }

    #[test]
    fn a_restored_slot_counts_even_above_the_limit() {
        let slots = Slots::default();
        let key = LimitKey::Account(AccountName::new("a"));
        let _held = [slots.restore(&key), slots.restore(&key)];
        assert!(slots.try_acquire(&key, 1).is_none());
        assert_eq!(slots.in_use(&key), 2);
    }
}
