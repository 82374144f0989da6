//! Room for so many at one time of what goes on for long, and a gauge of how many there are.

use std::sync::Arc;

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Counted;

/// The room. Clones share it.
#[derive(Clone)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    taken: IntGauge,
}

/// A place in a room, until it is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Room {
    /// Room for `places_max`, shown as `taken`.
    pub(crate) fn new(places_max: usize, taken: &IntGauge) -> Self {
        let places = Arc::new(Semaphore::new(places_max.min(Semaphore::MAX_PERMITS)));
        Self { places, taken: taken.clone() }
    }

    /// A place, if one is free. Nobody waits for one.
    pub(crate) fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit, _counted: Counted::new(&self.taken) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_so_many_places_and_gets_them_back() {
        let gauge = IntGauge::new("taken", "Places.").unwrap();
        let room = Room::new(2, &gauge);
        let (first, second) = (room.enter().unwrap(), room.clone().enter().unwrap());
        assert!(room.enter().is_none());
        assert_eq!(gauge.get(), 2);
        drop(first);
        assert_eq!(gauge.get(), 1);
        assert!(room.enter().is_some());
        drop(second);
    }
}
