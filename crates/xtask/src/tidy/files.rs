//! Sizes, first lines and names of source files.

use super::Findings;
use super::tree::Tree;

/// A file with this many lines before its tests is two files.
const LINES_MAX: usize = 500;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["core", "common", "util", "utils", "helper", "helpers", "types", "manager", "misc"];

/// Files stay under [`LINES_MAX`] lines before their tests.
pub(super) fn check_length(tree: &Tree) -> Findings {
    let lines = tree
        .with_extension("rs")
        .filter(|file| !file.is_test())
        .map(|file| (&file.path, file.before_tests().lines().count()));
    lines
        .filter(|(_, lines)| *lines >= LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines before its tests, must stay under {LINES_MAX}"))
        .collect()
}

/// The first line of a source file says what the file is for.
pub(super) fn check_first_line(tree: &Tree) -> Findings {
    tree.with_extension("rs")
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}: the first line must be //! and say what the file is for", file.path))
        .collect()
}

/// No module or crate has a name that says nothing.
pub(super) fn check_names(tree: &Tree) -> Findings {
    let sources =
        tree.files.iter().filter(|file| file.extension() == "rs" || file.path.ends_with("Cargo.toml"));
    let mut findings = Findings::new();
    for file in sources {
        let parts = file.path.trim_end_matches(".rs").split('/');
        for name in parts.filter(|part| EMPTY_NAMES.contains(part)) {
            findings.push(format!("{}: \"{name}\" does not say what is in it", file.path));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn a_long_file_is_found_but_its_tests_do_not_count() {
        let short = format!("//! x\n{}#[cfg(test)]\n{}", "\n".repeat(400), "\n".repeat(400));
        let long = "\n".repeat(500);
        let found = check_length(&tree(&[("a.rs", &short), ("b.rs", &long), ("tests/c.rs", &long)]));
        assert_eq!(found, ["b.rs: 500 lines before its tests, must stay under 500"]);
    }

    #[test]
    fn a_missing_first_line_is_found() {
        let found =
            check_first_line(&tree(&[("a.rs", "//! Says it.\n"), ("b.rs", "use x;\n"), ("c.md", "# c")]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("b.rs"));
    }

    #[test]
    fn an_empty_name_is_found_in_crates_modules_and_folders() {
        let files =
            [("crates/core/Cargo.toml", ""), ("crates/a/src/utils.rs", ""), ("crates/a/src/types/b.rs", "")];
        assert_eq!(check_names(&tree(&files)).len(), 3);
        assert_eq!(
            check_names(&tree(&[("crates/a/src/score.rs", ""), ("docs/core/x.md", "")])),
            Findings::new()
        );
    }
}
