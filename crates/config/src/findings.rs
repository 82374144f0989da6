//! Notes problems of values that could be read: finds their places, and leaves out what only follows from a problem that
//! is noted already.

use std::collections::HashMap;

use crate::problem::{Place, Problem, Problems};

pub(crate) struct Findings<'a> {
    places: &'a HashMap<String, Place>,
    problems: &'a mut Problems,
    /// Paths of values that could not be read, and are therefore missing.
    broken: Vec<String>,
    notes: Problems,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(
        places: &'a HashMap<String, Place>,
        broken: Vec<String>,
        problems: &'a mut Problems,
    ) -> Self {
        let notes = Problems::new(&problems.file);
        Self { places, problems, broken, notes }
    }

    /// What was noted that is no problem.
    pub(crate) fn into_notes(self) -> Vec<Problem> {
        self.notes.sorted().list
    }

    /// Notes what is right and may surprise.
    pub(crate) fn note(&mut self, path: &str, message: impl Into<String>) {
        let place = ancestors(path).find_map(|ancestor| self.places.get(ancestor).copied());
        self.notes.add(place, path, message);
    }

    /// Notes a problem of the value at `path`, which need not be there, unless it could not be read in the first place.
    pub(crate) fn add(&mut self, path: &str, message: impl Into<String>) {
        if !ancestors(path).any(|ancestor| self.is_broken(ancestor)) {
            let place = ancestors(path).find_map(|ancestor| self.places.get(ancestor).copied());
            self.problems.add(place, path, message);
        }
    }

    /// Whether the value at exactly this path could not be read.
    pub(crate) fn is_broken(&self, path: &str) -> bool {
        self.broken.iter().any(|broken| broken == path)
    }

    /// The value, or a problem if it is missing.
    pub(crate) fn required<T>(&mut self, path: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(path, "is required");
        }
        value
    }

    /// Notes a problem if a bound is zero.
    pub(crate) fn positive(&mut self, path: &str, is_zero: bool) {
        if is_zero {
            self.add(path, "must be greater than zero");
        }
    }

    /// Notes a problem if `name` is not made of 1 to 64 letters, digits and `.`, `_`, `-`.
    pub(crate) fn name(&mut self, path: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            self.add(path, "must be 1 to 64 letters, digits and . _ -");
        }
    }
}

/// `a.b[0].c`, `a.b[0]`, `a.b`, `a` and the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        (!path.is_empty()).then(|| &path[..path.rfind(['.', '[']).unwrap_or(0)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_broken_value_is_left_out() {
        let places = HashMap::from([("a".to_owned(), Place { line: 3, column: 7 })]);
        let mut problems = Problems::new("f");
        let mut findings = Findings::new(&places, vec!["a.b[0]".into()], &mut problems);
        findings.add("a.b[0].c", "is required");
        findings.add("a.b[1].c", "is required");
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["f:3:7 a.b[1].c: is required"]);
    }
}
