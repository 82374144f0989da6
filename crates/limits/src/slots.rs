//! Tasks at one time.

use std::sync::Arc;

use dashmap::DashMap;

use crate::LimitKey;

/// Counts of slots in use. The truth is in the store's rows; after a restart the counts are rebuilt from them with
/// [`Slots::restore`].
#[derive(Clone, Default)]
pub struct Slots {
    in_use: Arc<DashMap<LimitKey, u32>>,
}

/// One slot in use; dropping it gives it back.
#[must_use = "dropping a permit gives the slot back"]
pub struct Permit {
    in_use: Arc<DashMap<LimitKey, u32>>,
    key: LimitKey,
}

impl Slots {
    /// Takes a slot of `key` if fewer than `max` are in use.
    pub fn try_acquire(&self, key: &LimitKey, max: u32) -> Option<Permit> {
        let mut count = self.in_use.entry(key.clone()).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(self.permit(key))
    }

    /// Takes a slot that was in use before a restart, whatever the limit is now.
    pub fn restore(&self, key: &LimitKey) -> Permit {
        *self.in_use.entry(key.clone()).or_insert(0) += 1;
        self.permit(key)
    }

    /// How many slots of `key` are in use.
    pub fn in_use(&self, key: &LimitKey) -> u32 {
        self.in_use.get(key).map_or(0, |count| *count)
    }

    fn permit(&self, key: &LimitKey) -> Permit {
        Permit { in_use: Arc::clone(&self.in_use), key: key.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(mut count) = self.in_use.get_mut(&self.key) {
            *count = count.saturating_sub(1);
        }
        self.in_use.remove_if(&self.key, |_, count| *count == 0);
    }
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
        assert!(slots.in_use.is_empty(), "keys without slots are not remembered");
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
