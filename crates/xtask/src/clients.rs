//! The table of calls in the guide for clients: from the registry, and from what the fixtures say of their origin.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use translation::{DIALECTS, Dialect, PROVIDERS};

/// The guide.
pub(crate) const GUIDE: &str = "docs/guide/clients.md";
/// Between these lines the guide is written by us.
const BEGIN: &str =
    "<!-- Written by `cargo xtask schema` from the registry and the fixtures; do not edit. -->";
const END: &str = "<!-- The end of what `cargo xtask schema` writes. -->";
const HEAD: &str = "\
| API | call | action | also an upstream | fixtures seen on a wire |
|---|---|---|---|---|
";

/// Where the bytes of a fixture come from, by its `about.toml`.
#[derive(Deserialize)]
struct About {
    kind: String,
}

/// How many of an API's scenarios were seen on a wire; the others were written after its documents.
#[derive(Debug, Default, PartialEq, Eq)]
struct Share {
    recorded: usize,
    all: usize,
}

/// The guide's text with a table as of now.
pub(crate) fn guide(root: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(root.join(GUIDE)).with_context(|| format!("reading {GUIDE}"))?;
    let table = table(|api| share(&root.join("crates/translation/src/apis").join(api).join("fixtures")))?;
    replace_table(&text, &table).with_context(|| format!("{GUIDE} lacks the lines {BEGIN} and {END}"))
}

/// `text` with `table` between the two lines that mark its place; nothing if they are not there.
fn replace_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// A row for each call of each API that clients speak, and one for each API that is an upstream only.
fn table(share: impl Fn(&str) -> anyhow::Result<Share>) -> anyhow::Result<String> {
    let mut table = HEAD.to_owned();
    let is_upstream = |name: &str| PROVIDERS.iter().any(|provider| provider.name() == name);
    for dialect in DIALECTS {
        let name = dialect.name();
        let upstream = if is_upstream(name) { "yes" } else { "no" };
        table += &rows(*dialect, upstream, &share(name)?);
    }
    let is_dialect = |name: &str| DIALECTS.iter().any(|dialect| dialect.name() == name);
    for provider in PROVIDERS.iter().filter(|provider| !is_dialect(provider.name())) {
        let Share { recorded, all } = share(provider.name())?;
        table += &format!("| {} | | | only | {recorded} of {all} |\n", provider.name());
    }
    Ok(table)
}

/// What is the same for all calls of an API stands beside the first of them.
fn rows(dialect: &dyn Dialect, upstream: &str, share: &Share) -> String {
    let mut rows = String::new();
    for (index, endpoint) in dialect.endpoints().iter().enumerate() {
        let (name, last) = match index {
            0 => (dialect.name(), format!(" {upstream} | {} of {} |", share.recorded, share.all)),
            _ => ("", " | |".to_owned()),
        };
        let action = endpoint.action.as_str().replace('_', " ");
        rows += &format!("| {name} | `{} {}` | {action} |{last}\n", endpoint.method, endpoint.path);
    }
    rows
}

/// Counts the scenarios of both faces in an API's folder of fixtures.
fn share(fixtures: &Path) -> anyhow::Result<Share> {
    let mut share = Share::default();
    for face in std::fs::read_dir(fixtures).with_context(|| format!("reading {}", fixtures.display()))? {
        for scenario in std::fs::read_dir(face?.path())? {
            let file = scenario?.path().join("about.toml");
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let about: About =
                toml::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
            share.all += 1;
            share.recorded += usize::from(about.kind == "recorded");
        }
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_every_call() {
        let root = crate::root();
        let text = std::fs::read_to_string(root.join(GUIDE)).unwrap();
        assert!(guide(&root).unwrap() == text, "{GUIDE} is out of date: run `cargo xtask schema`");
    }

    #[test]
    fn the_table_has_a_row_for_each_call_and_each_upstream() {
        let table = table(|_| Ok(Share { recorded: 1, all: 3 })).unwrap();
        let calls: usize = DIALECTS.iter().map(|dialect| dialect.endpoints().len()).sum();
        assert!(table.lines().count() >= 2 + calls);
        for name in DIALECTS.iter().map(|d| d.name()).chain(PROVIDERS.iter().map(|p| p.name())) {
            assert_eq!(table.matches(&format!("| {name} |")).count(), 1, "{name}");
        }
        assert!(table.lines().all(|line| line.matches('|').count() == 6), "{table}");
    }

    #[test]
    fn only_the_marked_part_is_replaced() {
        let text = format!("before\n\n{BEGIN}\nold\n{END}\n\nafter\n");
        let new = format!("before\n\n{BEGIN}\n| new |\n{END}\n\nafter\n");
        assert_eq!(replace_table(&text, "| new |\n"), Some(new));
        assert_eq!(replace_table("no mark", ""), None);
    }
}
