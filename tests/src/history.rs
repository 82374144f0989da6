//! What happened in a run, told by everybody who saw it, and whether that is what is promised.
//!
//! Four witnesses, none of which is asked on behalf of another: the client's own log, the upstream's ledger, the
//! gateway's store as it lies on the disk, and what the client's own server heard. [`History::check`] compares them.

mod books;
mod invariants;
mod log;
mod shared_books;
mod verdict;

pub use books::{Attempt, Books, Delivery, Entry, Owner, StoredTask};
pub use log::{Answer, Ask, Log};
pub use verdict::{Finding, Verdict};

use crate::listener::Message;

/// All that is known of a run that has ended: the gateway is stopped, and every task has had its time.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What the client asked, what it was told, what it read.
    pub log: Log,
    /// What the upstream accepted.
    pub generations: Vec<Generation>,
    /// What the gateway has stored.
    pub books: Books,
    /// What the client's own server heard.
    pub heard: Vec<Message>,
    /// What it verifies messages with, as it is configured; empty if they are not signed.
    pub callback_secret: String,
    /// Addresses where nobody may be called, and the connections that came there.
    pub traps: Traps,
    /// Texts that may hold no secret: logs, replies, columns; each with where it is from.
    pub texts: Vec<(String, String)>,
    /// The secrets.
    pub secrets: Vec<String>,
}

/// A piece of work that the upstream accepted, by its own ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The upstream's own id.
    pub id: String,
    /// What was asked of it.
    pub prompt: String,
}

/// Traps that were named as callback addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traps {
    /// How many tasks named one.
    pub named: usize,
    /// Connections that came to one.
    pub connections: usize,
}

impl History {
    /// Goes through all invariants.
    pub fn check(&self) -> Verdict {
        Verdict { findings: invariants::ALL.iter().map(|invariant| invariant.find(self)).collect() }
    }
}
