//! Words that must not be in the repository; the list is `words.txt`.

use super::Findings;
use super::tree::{File, Tree};

const LIST: &str = include_str!("words.txt");
/// The list itself holds them all.
const LIST_PATH: &str = "crates/xtask/src/tidy/words.txt";

/// No file holds a word of the list.
pub(super) fn check(tree: &Tree) -> Findings {
    tree.files.iter().filter(|file| file.path != LIST_PATH).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Findings {
    let mut findings = Findings::new();
    for (place, word) in
        LIST.lines().filter(|line| !line.starts_with("# ")).filter_map(|line| line.split_once(' '))
    {
        if place == "rust" && file.extension() != "rs" {
            continue;
        }
        for (index, _) in file.text.lines().enumerate().filter(|(_, line)| line.contains(word)) {
            findings.push(format!("{}:{}: \"{word}\" must not be here", file.path, index + 1));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn every_word_of_the_list_is_found() {
        let words =
            || LIST.lines().filter(|line| !line.starts_with("# ")).map(|line| line.split_once(' ').unwrap());
        assert!(words().count() >= 10);
        for (place, word) in words() {
            let text = format!("first\n  {word}x\n");
            let found = check(&tree(&[("a.rs", &text)]));
            assert!(found.contains(&format!("a.rs:2: \"{word}\" must not be here")), "{found:?}");
            assert_eq!(check(&tree(&[("a.yaml", &text)])).is_empty(), place == "rust", "{word}");
        }
    }
}
