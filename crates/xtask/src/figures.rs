//! `cargo xtask figures`: runs all tests, keeps what the suites measured, and writes docs/reliability.md of it. No figure
//! in that page is typed by hand.

mod page;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::chores;
use crate::step::say;

/// Lines of JSON, one for each run of a suite.
pub(crate) const LINES: &str = "docs/reliability.jsonl";
/// The page without figures.
pub(crate) const TEMPLATE: &str = "docs/reliability.template.md";
/// The page.
pub(crate) const PAGE: &str = "docs/reliability.md";
/// What was tested, beside what was measured.
const REVISION: &str = "revision.txt";
/// Where the suites leave what they measured, below the root.
const FOLDER: &str = "target/figures";

/// Runs the tests, or with `--long` the long run of those that have one, and writes the lines and the page. With
/// `--from` the tests have been run, with `FILMGATE_FIGURES` naming that folder.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let folder = match arguments {
        ["--from", folder] => root.join(folder),
        _ => measure(root, arguments)?,
    };
    let measured = stamped(measured(&folder)?, &Revision::read(&folder))?;
    let known = std::fs::read_to_string(root.join(LINES)).unwrap_or_default();
    write(root, LINES, &merged(&page::parse(&known).map_err(anyhow::Error::msg)?, measured))?;
    let read =
        |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"));
    let text = page(&read(TEMPLATE)?, &read(LINES)?).map_err(anyhow::Error::msg)?;
    write(root, PAGE, &text)
}

/// Runs the tests; the folder with what they measured.
fn measure(root: &Path, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = root.join(FOLDER);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("clearing {FOLDER}"))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {FOLDER}"))?;
    revision(root)?.write(&folder)?;
    let folder_name = folder.to_str().context("the repository is in a folder whose name is no text")?;
    match arguments {
        [] => chores::test_with(root, &[], &[("FILMGATE_FIGURES", folder_name)])?,
        ["--long"] => {
            let variables = [("FILMGATE_FIGURES", folder_name), ("FILMGATE_LONG", "1")];
            chores::test_with(root, &["--profile", "long"], &variables)?;
        }
        other => anyhow::bail!("no such option of figures: {}", other.join(" ")),
    }
    Ok(folder)
}

/// What the page is to be.
///
/// # Errors
/// In words, if a line is none, or the template asks for a figure that cannot be.
pub(crate) fn page(template: &str, lines: &str) -> Result<String, String> {
    page::render(template, &page::parse(lines)?)
}

fn write(root: &Path, path: &str, text: &str) -> anyhow::Result<()> {
    std::fs::write(root.join(path), text).with_context(|| format!("writing {path}"))?;
    say(&format!("wrote {path}"));
    Ok(())
}

/// All lines that the suites left.
fn measured(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        lines.extend(page::parse(&text).map_err(anyhow::Error::msg)?);
    }
    Ok(lines)
}

/// What was tested: the commit, and when it was made.
struct Revision {
    name: String,
    date: String,
}

impl Revision {
    /// Leaves it beside what is measured: what is tested is what was there before the tests.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = format!("{}\n{}\n", self.name, self.date);
        std::fs::write(folder.join(REVISION), text).context("writing what is tested")
    }

    fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join(REVISION)).unwrap_or_default();
        let mut lines = text.lines().map(str::to_owned);
        Self {
            name: lines.next().unwrap_or_else(|| "not recorded".to_owned()),
            date: lines.next().unwrap_or_default(),
        }
    }
}

fn revision(root: &Path) -> anyhow::Result<Revision> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(root).output().context("starting git")?;
        anyhow::ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Ok(Revision {
        name: git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])?,
        date: git(&["show", "--no-patch", "--format=%cs", "HEAD"])?,
    })
}

fn stamped(mut lines: Vec<Value>, revision: &Revision) -> anyhow::Result<Vec<Value>> {
    for line in &mut lines {
        let line = line.as_object_mut().context("a line of figures is no object")?;
        line.insert("revision".into(), revision.name.as_str().into());
        line.insert("date".into(), revision.date.as_str().into());
    }
    Ok(lines)
}

/// The lines of `measured`, and those of `known` whose suites were not measured, in an order of their own.
fn merged(known: &[Value], measured: Vec<Value>) -> String {
    let has_run = |line: &Value| measured.iter().any(|new| new["suite"] == line["suite"]);
    let kept = known.iter().filter(|line| !has_run(line));
    let mut lines: Vec<(String, String)> = kept
        .chain(&measured)
        .map(|line| (line["suite"].as_str().unwrap_or_default().to_owned(), line.to_string()))
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_measured_replaces_what_was_known_of_the_same_suites() {
        let known = [json!({ "suite": "a", "n": 1 }), json!({ "suite": "c", "n": 2 })];
        let measured = vec![json!({ "suite": "c", "n": 3 }), json!({ "suite": "b", "n": 4 })];
        let lines = merged(&known, measured);
        assert_eq!(
            lines,
            "{\"suite\":\"a\",\"n\":1}\n{\"suite\":\"b\",\"n\":4}\n{\"suite\":\"c\",\"n\":3}\n"
        );
    }

    #[test]
    fn lines_say_what_was_tested_and_when_that_was_made() {
        let revision = Revision { name: "0123456789ab".into(), date: "2026-11-21".into() };
        let lines = stamped(vec![json!({ "suite": "a" })], &revision).unwrap();
        assert_eq!(lines[0].to_string(), r#"{"suite":"a","revision":"0123456789ab","date":"2026-11-21"}"#);
    }
}
