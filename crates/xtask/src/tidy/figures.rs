//! docs/reliability.md is what its template and the lines of figures render to.

use super::Findings;
use super::tree::Tree;
use crate::figures::{LINES, PAGE, TEMPLATE, page};

pub(super) fn check(tree: &Tree) -> Findings {
    let text = |path: &str| tree.file(path).map_or("", |file| file.text.as_str());
    match page(text(TEMPLATE), text(LINES)) {
        Ok(page) if page == text(PAGE) => Findings::new(),
        Ok(_) => {
            vec![format!("{PAGE}: not what `cargo xtask figures` would write of {TEMPLATE} and {LINES}")]
        }
        Err(error) => vec![format!("{TEMPLATE}, {LINES}: {error}")],
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree;
    use super::*;

    #[test]
    fn a_figure_that_was_typed_by_hand_is_found() {
        let line = r#"{"suite":"kills","n":300,"failures":0}"#;
        let files = |page| [(TEMPLATE, "{{kills}}\n"), (LINES, line), (PAGE, page)];
        assert!(check(&tree(&files("0 of 300 (below 1 %)\n"))).is_empty());
        assert_eq!(check(&tree(&files("0 of 300,000 (below 1 %)\n"))).len(), 1);
        assert_eq!(check(&tree(&[(TEMPLATE, "{{kills"), (LINES, line)])).len(), 1);
    }
}
