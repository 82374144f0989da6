//! Manifests and lint settings: every crate takes the workspace's lints, and no clippy.toml loosens them.

use toml::{Table, Value};

use super::Findings;
use super::tree::{File, Tree};

/// A crate with a clippy.toml of its own does not see the root's, so it must repeat it.
const ROOT_CLIPPY: &str = "clippy.toml";
/// The crates whose clippy.toml forbids clocks, files, environment and sockets.
const PURE: &[&str] = &["crates/domain", "crates/translation", "crates/routing"];

/// All crates have the workspace's lints; all clippy.toml repeat the root's values; pure crates have one.
pub(super) fn check(tree: &Tree) -> Findings {
    let root = tree.file(ROOT_CLIPPY).map(parsed).unwrap_or_default();
    let mut findings = Findings::new();
    for file in &tree.files {
        if file.path.ends_with("/Cargo.toml") {
            findings.extend(check_lints(file));
        } else if file.path.ends_with("/clippy.toml") {
            findings.extend(check_repeats(file, &root));
        }
    }
    for folder in PURE.iter().filter(|folder| tree.has(folder)) {
        let path = format!("{folder}/{ROOT_CLIPPY}");
        let forbids = tree.file(&path).is_some_and(|file| parsed(file).contains_key("disallowed-methods"));
        if !forbids {
            findings.push(format!(
                "{path}: must be there and have disallowed-methods, because the crate is pure"
            ));
        }
    }
    findings
}

fn check_lints(file: &File) -> Option<String> {
    let manifest = parsed(file);
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    (lints != Some(&Value::Boolean(true)))
        .then(|| format!("{}: must have [lints] workspace = true", file.path))
}

fn check_repeats(file: &File, root: &Table) -> Findings {
    let own = parsed(file);
    let differs = |(key, value): &(&String, &Value)| own.get(*key) != Some(*value);
    let differing = root.iter().filter(differs);
    differing.map(|(key, value)| format!("{}: must repeat the root's {key} = {value}", file.path)).collect()
}

/// Empty if it is not TOML: then what is looked for is missing, and that is said.
fn parsed(file: &File) -> Table {
    file.text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let files =
            [("crates/a/Cargo.toml", "[lints]\nworkspace = true\n"), ("crates/b/Cargo.toml", "[package]\n")];
        assert_eq!(check(&tree(&files)), ["crates/b/Cargo.toml: must have [lints] workspace = true"]);
    }

    #[test]
    fn a_looser_threshold_is_found() {
        let loose = "too-many-lines-threshold = 200\ndisallowed-methods = []\n";
        let files =
            [("clippy.toml", "too-many-lines-threshold = 70\n"), ("crates/domain/clippy.toml", loose)];
        let found = check(&tree(&files));
        assert_eq!(
            found,
            ["crates/domain/clippy.toml: must repeat the root's too-many-lines-threshold = 70"]
        );
    }

    #[test]
    fn a_pure_crate_without_its_list_is_found() {
        let found = check(&tree(&[("crates/routing/src/lib.rs", "")]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/routing/clippy.toml: must be there"));
    }
}
