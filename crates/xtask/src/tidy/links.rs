//! Relative links in Markdown lead somewhere.

use super::Findings;
use super::tree::{File, Tree};

/// Every relative link leads to a file or a folder of the repository.
pub(super) fn check(tree: &Tree) -> Findings {
    tree.with_extension("md").flat_map(|file| check_file(file, tree)).collect()
}

fn check_file(file: &File, tree: &Tree) -> Findings {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let broken = |target: &&str| !resolve(folder, target).is_some_and(|path| tree.has(&path));
    let targets = targets(&file.text);
    targets
        .into_iter()
        .filter(broken)
        .map(|target| format!("{}: {target} leads nowhere", file.path))
        .collect()
}

/// The targets of all relative links outside code blocks, without what follows `#`.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        // Every other part of a line lies between backticks.
        for part in line.split('`').step_by(2) {
            let opened = part.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let paths = opened.map(|(target, _)| target.split('#').next().unwrap_or_default());
            found.extend(paths.filter(|target| !target.is_empty() && !target.contains(':')));
        }
    }
    found
}

/// `target` as seen from `folder`; nothing if it leads out of the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    parts.retain(|part| !part.is_empty());
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn a_broken_link_is_found() {
        let text = "[a](b.md#part) [c](../README.md) [d](https://example.com/x) [e](#here) [f](gone.md)\n\
                    `[g](code.md)`\n```\n[h](code.md)\n```\n[i](../../out.md)\n[j](../docs)";
        let files = [("docs/a.md", text), ("docs/b.md", ""), ("README.md", "")];
        assert_eq!(
            check(&tree(&files)),
            ["docs/a.md: gone.md leads nowhere", "docs/a.md: ../../out.md leads nowhere"]
        );
    }
}
