//! What the checks of a run found.

use std::fmt;

use serde_json::{Value, json};

/// What one invariant's check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant's name.
    pub name: &'static str,
    /// What it promises.
    pub promise: &'static str,
    /// How many cases were looked at.
    pub n: usize,
    /// Those that break it, each in words.
    pub violations: Vec<String>,
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One for each invariant.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The finding of that invariant.
    ///
    /// # Panics
    /// If there is no such invariant.
    pub fn of(&self, name: &str) -> &Finding {
        let finding = self.findings.iter().find(|finding| finding.name == name);
        finding.unwrap_or_else(|| panic!("there is no invariant {name}"))
    }

    /// How many violations there are.
    pub fn failures(&self) -> usize {
        self.findings.iter().map(|finding| finding.violations.len()).sum()
    }

    /// For a line of figures: cases and violations of each invariant.
    pub fn figures(&self) -> Value {
        let figure = |finding: &Finding| {
            let counts = json!({ "n": finding.n, "violations": finding.violations.len() });
            (finding.name.to_owned(), counts)
        };
        self.findings.iter().map(figure).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { name, promise, n, violations } in &self.findings {
            write!(f, "{name} {promise}: {} of {n}", violations.len())?;
            match (violations.len(), n) {
                (0, 0) => writeln!(f, " (not tested)")?,
                (0, n) => writeln!(f, " (below {:.2} %, 95 % bound)", 300.0 / *n as f64)?,
                _ => writeln!(f)?,
            }
            for violation in violations {
                writeln!(f, "    {violation}")?;
            }
        }
        Ok(())
    }
}
