//! What is wrong with a file, and where.

use std::fmt;

/// The most problems that one file is told of.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// A position in a file; both numbers start at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// One thing that is wrong. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// Where in the file, if it could be parsed that far.
    pub place: Option<Place>,
    /// The key: `accounts[0].provider`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what is right.
    pub message: String,
}

/// Everything that is wrong with one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    pub(crate) file: String,
    pub(crate) list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    pub(crate) fn single(file: &str, message: String) -> Self {
        let mut problems = Self::new(file);
        problems.add(None, "", message);
        problems
    }

    pub(crate) fn add(&mut self, place: Option<Place>, path: &str, message: impl Into<String>) {
        if self.list.len() < PROBLEMS_MAX {
            let message = message.into();
            self.list.push(Problem { file: self.file.clone(), place, path: path.to_owned(), message });
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|problem| problem.place);
        self
    }

    /// Each problem, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `config.yaml:12:5 accounts[0].provider: unknown provider`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One line for each problem.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.is_full() {
            write!(f, "\n{}: only the first {PROBLEMS_MAX} problems are listed", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
