//! No API is named outside its own folder and the few places that must know it, so that one can be added or removed in
//! one place.

use std::collections::BTreeSet;

use super::Findings;
use super::tree::{File, Tree};

/// Each folder here is an API, and is called like it.
const FOLDERS: &str = "crates/translation/src/apis/";
/// The contract's own path segment: too short a word to be told from versions.
const TOO_GENERIC: &[&str] = &["v2"];
/// Who may name APIs: the registry, the sandbox that plays them, the default of the binary, tests and benches.
const MAY_NAME: &[&str] = &[
    "crates/translation/src/apis.rs",
    "crates/sandbox/",
    "crates/filmgate/",
    // The suite is a test, though it is built as a module.
    "crates/store/src/conformance",
    "benches/",
    "tests/",
];

/// No source file names an API that is not its business.
pub(super) fn check(tree: &Tree) -> Findings {
    let names: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(FOLDERS)?.split_once('/'))
        .map(|(name, _)| name)
        .filter(|name| !TOO_GENERIC.contains(name))
        .collect();
    let sources = tree.with_extension("rs").filter(|file| !may_name(file));
    sources.flat_map(|file| names.iter().flat_map(move |name| check_file(file, name))).collect()
}

fn may_name(file: &File) -> bool {
    file.is_test() || MAY_NAME.iter().any(|prefix| file.path.starts_with(prefix))
}

fn check_file(file: &File, name: &str) -> Findings {
    if file.path.starts_with(&format!("{FOLDERS}{name}/")) {
        return Findings::new();
    }
    let lines = file.before_tests().lines().enumerate().filter(|(_, line)| names_api(line, name));
    lines.map(|(index, _)| format!("{}:{}: names the API \"{name}\"", file.path, index + 1)).collect()
}

/// Whether `line` has `name` as a word, or as a part of an identifier that begins and ends there.
fn names_api(line: &str, name: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + name.len()..].chars().next();
        let begins =
            !before.is_some_and(char::is_alphanumeric) || line[start..].starts_with(char::is_uppercase);
        begins && !after.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    const API: (&str, &str) = ("crates/translation/src/apis/acme/mod.rs", "//! The acme API.");

    #[test]
    fn an_api_named_elsewhere_is_found() {
        let files = [
            API,
            ("crates/tasks/src/a.rs", "//! x\nlet a = \"acme\";\n"),
            ("crates/tasks/src/b.rs", "AcmeJob"),
        ];
        let found = check(&tree(&files));
        let expected = [
            "crates/tasks/src/a.rs:2: names the API \"acme\"",
            "crates/tasks/src/b.rs:1: names the API \"acme\"",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn it_may_be_named_where_it_must_and_in_tests() {
        let files = [
            API,
            ("crates/translation/src/apis.rs", "pub mod acme;"),
            ("crates/translation/tests/all.rs", "acme"),
            ("crates/tasks/src/a.rs", "//! x\n#[cfg(test)]\nmod tests { acme }\n"),
            ("crates/tasks/src/b.rs", "gacme acmes"),
        ];
        assert_eq!(check(&tree(&files)), Findings::new());
    }
}
