//! How a wish to read the configuration again gets to whoever can, and its outcome back.

use tokio::sync::{mpsc, oneshot};

/// Wishes that wait at one time; more wait to be made.
const WAITING_MAX: usize = 16;

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// What may change while the gateway runs is as the configuration says now.
    Applied {
        /// Counts the versions that were applied since the start, which applied the first.
        revision: u64,
        /// Keys that say something else than at the start and are read only then.
        at_next_start: Vec<String>,
    },
    /// It says what it said before.
    Unchanged,
    /// It cannot be used, and nothing has changed.
    Failed {
        /// Each with its place.
        problems: Vec<String>,
    },
}

/// Asks for the configuration to be read again. Cheap to clone.
#[derive(Clone)]
pub struct Reloads {
    wishes: mpsc::Sender<oneshot::Sender<Reloaded>>,
}

/// The wishes, for the one who can fulfil them.
pub struct ReloadWishes {
    wishes: mpsc::Receiver<oneshot::Sender<Reloaded>>,
}

/// One wish, to be answered.
pub struct ReloadWish {
    done: oneshot::Sender<Reloaded>,
}

impl Reloads {
    /// The two ends.
    pub fn new() -> (Self, ReloadWishes) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self { wishes: sender }, ReloadWishes { wishes: receiver })
    }

    /// Reads it again and applies it if it can be used; returns when that is done. `None` if nobody does so any more,
    /// because the gateway stops.
    pub async fn reload(&self) -> Option<Reloaded> {
        let (done, reloaded) = oneshot::channel();
        self.wishes.send(done).await.ok()?;
        reloaded.await.ok()
    }
}

impl ReloadWishes {
    /// The next one; `None` when nobody can have one any more.
    pub async fn next(&mut self) -> Option<ReloadWish> {
        self.wishes.recv().await.map(|done| ReloadWish { done })
    }
}

impl ReloadWish {
    /// Tells what came of it.
    pub fn answer(self, reloaded: Reloaded) {
        let _whoever_asked_has_gone = self.done.send(reloaded);
    }
}
