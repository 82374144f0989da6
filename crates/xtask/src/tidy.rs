//! Our own small checks, for what no lint knows: sizes, names, words, who depends on whom, links, fragments.
//!
//! A check takes the repository as data and returns what is wrong, one line each.

mod apis;
mod edges;
mod figures;
mod files;
mod fragments;
mod links;
mod manifests;
mod tree;
mod words;

use std::path::Path;

use crate::chores;
use crate::step::say;
use tree::Tree;

/// What a check finds: `path: what is wrong`.
type Findings = Vec<String>;

/// Runs all checks.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    say("\n== tidy: cargo xtask tidy");
    let tree = Tree::read(root)?;
    let metadata = chores::metadata(root, &[])?;
    let checks: [(&str, Findings); 11] = [
        ("file length", files::check_length(&tree)),
        ("first line", files::check_first_line(&tree)),
        ("names", files::check_names(&tree)),
        ("words", words::check(&tree)),
        ("who depends on whom", edges::check_workspace(&metadata)),
        ("pure crates", edges::check_pure(&metadata)),
        ("manifests", manifests::check(&tree)),
        ("API names", apis::check(&tree)),
        ("links", links::check(&tree)),
        ("figures", figures::check(&tree)),
        ("changelog fragments", fragments::check(&tree)),
    ];
    let mut found = 0;
    for (name, findings) in checks {
        found += findings.len();
        for finding in findings {
            say(&format!("{name}: {finding}"));
        }
    }
    anyhow::ensure!(found == 0, "step tidy failed with {found} findings; alone: cargo xtask tidy");
    Ok(())
}
