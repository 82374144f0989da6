//! Changelog fragments: `changelog.d/SLUG.KIND.md`, one change each.

use super::Findings;
use super::tree::{File, Tree};

const FOLDER: &str = "changelog.d/";
const KINDS: &[&str] = &["added", "changed", "fixed", "removed", "security"];

/// Every fragment has a slug, a kind that is known, and a text.
pub(super) fn check(tree: &Tree) -> Findings {
    let fragments =
        tree.files.iter().filter(|file| file.path.starts_with(FOLDER) && !file.path.ends_with("README.md"));
    fragments.filter_map(|file| Some(format!("{}: {}", file.path, problem(file)?))).collect()
}

fn problem(file: &File) -> Option<String> {
    let parts: Vec<&str> = file.path[FOLDER.len()..].split('.').collect();
    let [slug, kind, "md"] = parts.as_slice() else {
        return Some(format!("must be called SLUG.KIND.md, KIND being one of {}", KINDS.join(", ")));
    };
    if slug.is_empty() || !slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Some("the slug must be lower-case letters, digits and dashes".to_owned());
    }
    if !KINDS.contains(kind) {
        return Some(format!("\"{kind}\" is not one of {}", KINDS.join(", ")));
    }
    let text = file.text.trim();
    (text.is_empty() || text.starts_with('#'))
        .then(|| "must be a sentence or two, without a heading".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn a_malformed_fragment_is_found() {
        let good = [("changelog.d/README.md", ""), ("changelog.d/a-b.added.md", "A thing.\n")];
        assert_eq!(check(&tree(&good)), Findings::new());
        for (path, text) in [
            ("changelog.d/a.md", "x"),
            ("changelog.d/A.added.md", "x"),
            ("changelog.d/a.new.md", "x"),
            ("changelog.d/a.added.md", " \n"),
            ("changelog.d/a.added.md", "# Heading"),
            ("changelog.d/a.added.txt", "x"),
        ] {
            assert_eq!(check(&tree(&[(path, text)])).len(), 1, "{path} {text:?}");
        }
    }
}
