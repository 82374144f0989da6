//! Rows, verdicts, and what became of them.

use std::fmt;

/// What should become of a URL, and why.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) url: String,
    pub(crate) verdict: Verdict,
    pub(crate) why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is asked, nothing is dialled.
    Refused,
    /// Its text is good, and yet nothing is dialled.
    Blocked,
    /// It is called.
    Allowed,
}

/// By which way a URL comes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A client wants to be told there.
    Callback,
    /// An input of a client, or a result of an upstream.
    Media,
}

/// A row that must be refused.
pub(crate) fn refused(url: impl Into<String>, why: &'static str) -> Row {
    Row { url: url.into(), verdict: Verdict::Refused, why }
}

/// A row that must be called.
pub(crate) fn allowed(url: impl Into<String>, why: &'static str) -> Row {
    Row { url: url.into(), verdict: Verdict::Allowed, why }
}

/// What a group found.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) blocked: usize,
    pub(crate) allowed: usize,
    /// Connections to where none should go.
    pub(crate) trapped: u64,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// Counts one row, which is as it should be if there are no `failures`.
    pub(crate) fn count(&mut self, verdict: Verdict, failures: Vec<String>) {
        if !failures.is_empty() {
            self.failures.extend(failures);
        } else if verdict == Verdict::Allowed {
            self.allowed += 1;
        } else {
            self.blocked += 1;
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.url.escape_debug().take(120).collect();
        write!(f, "{shown} ({})", self.why)
    }
}
