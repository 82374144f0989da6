//! The files that a configuration was read from, so that a change of any of them is noticed: the config file itself, and
//! the files that hold secrets and certificates. What counts is what they hold: a mounted config map changes by a link to
//! another directory, and many editors put a new file in the place of the old one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Environment, ProcessEnvironment};
use sha2::{Digest as _, Sha256};

/// What each of them held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    digests: BTreeMap<PathBuf, [u8; 32]>,
}

/// The process's own environment, which remembers which files were read.
#[derive(Default)]
pub(crate) struct Recorder {
    read: RefCell<Inputs>,
}

impl Inputs {
    /// What the same files hold now.
    pub(crate) fn look_again(&self) -> Self {
        let look = |path: &PathBuf| (path.clone(), digest(&ProcessEnvironment.file(path)));
        Self { digests: self.digests.keys().map(look).collect() }
    }

    /// Tells what the file at `path` held from what else it may hold; `None` if it was not read.
    pub(crate) fn digest(&self, path: &Path) -> Option<String> {
        let digest = self.digests.get(path)?;
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A number of what all of them hold, wherever they are: the same in replicas with the same files. It has 48 bits, which
    /// a metric shows exactly.
    pub(crate) fn number(&self) -> i64 {
        let mut digests: Vec<_> = self.digests.values().collect();
        digests.sort_unstable();
        let digest = digests.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        digest.iter().take(6).fold(0, |number, byte| number << 8 | i64::from(*byte))
    }

    /// Whether the file at `path` could be read and was empty.
    pub(crate) fn holds_nothing(&self, path: &Path) -> bool {
        self.digests.get(path) == Some(&digest(&Ok(String::new())))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

impl Recorder {
    /// The files that were read.
    pub(crate) fn inputs(self) -> Inputs {
        self.read.into_inner()
    }
}

impl Environment for Recorder {
    fn variable(&self, name: &str) -> Option<String> {
        ProcessEnvironment.variable(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let held = ProcessEnvironment.file(path);
        self.read.borrow_mut().digests.insert(path.to_owned(), digest(&held));
        held
    }
}

/// A file that cannot be read holds why.
fn digest(held: &Result<String, String>) -> [u8; 32] {
    let (kind, text) = match held {
        Ok(text) => ([1], text),
        Err(error) => ([0], error),
    };
    Sha256::new().chain_update(kind).chain_update(text).finalize().into()
}
