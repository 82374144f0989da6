//! Counts what the guard refuses, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The URL of a client's own server.
    Listener,
    /// The URL of an input or a result.
    Media,
    /// Where a redirect leads.
    Redirect,
    /// An address that a name stands for.
    Address,
}

/// How often each was refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; ALL.len()]);

/// Each with its name in metrics, in the order of the variants.
const ALL: [&str; 4] = ["callback_url", "media_url", "redirect", "address"];

impl Refusals {
    pub(crate) fn count(&self, what: Refused) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, by name.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ALL.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
