//! What the chores consist of.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::step::{Step, say};
use crate::{clients, sdks, setup, tidy};

/// Installs what is missing, builds the binary, runs all tests. `arguments` go to nextest.
pub(crate) fn test(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    test_with(root, arguments, &[])
}

/// As [`test()`], with these variables in the environment of the tests.
pub(crate) fn test_with(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    setup::for_tests(root)?;
    Step::new("build", root, &["cargo", "build", "--package", "filmgate"]).run()?;
    Step::new("doc tests", root, &["cargo", "test", "--doc", "--workspace"]).run()?;
    // Last, so that its summary is what one sees at the end.
    let words: Vec<&str> =
        ["cargo", "nextest", "run", "--workspace"].into_iter().chain(arguments.iter().copied()).collect();
    let step = Step::new("tests", root, &words)
        .env("FILMGATE_BIN", binary(root)?)
        .env("FILMGATE_SDKS", sdks::folder(root));
    variables.iter().fold(step, |step, (name, value)| step.env(name, value)).run()
}

/// Everything that a change must pass, cheapest first.
pub(crate) fn ci(root: &Path) -> anyhow::Result<()> {
    Step::new("format", root, &["cargo", "fmt", "--all", "--check"]).run()?;
    tidy::run(root)?;
    setup::everything(root)?;
    dependencies(root)?;
    let lint = ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    Step::new("lint", root, &lint).run()?;
    Step::new("docs", root, &["cargo", "doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    test(root, &[])
}

/// The policy of deny.toml. Advisories count only where their database can be had: what is not on this machine cannot be
/// checked on it.
fn dependencies(root: &Path) -> anyhow::Result<()> {
    Step::new("dependencies", root, &["cargo", "deny", "--locked", "check", "bans", "licenses", "sources"])
        .run()?;
    let fetched = Step::new("advisory database", root, &["cargo", "deny", "--locked", "fetch", "db"]).run();
    if fetched.is_err() && !has_advisories(&cargo_home()) {
        say("advisories were NOT checked: their database is neither here nor within reach");
        return Ok(());
    }
    if fetched.is_err() {
        say("the advisory database could not be renewed; the copy on this machine is used");
    }
    Step::new("advisories", root, &["cargo", "deny", "--locked", "--offline", "check", "advisories"]).run()
}

fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Whether an earlier run left a whole database; a clone that failed leaves at most an empty folder.
fn has_advisories(cargo_home: &Path) -> bool {
    let copies = std::fs::read_dir(cargo_home.join("advisory-dbs"));
    copies.into_iter().flatten().flatten().any(|copy| copy.path().join("crates").is_dir())
}

/// Writes the generated files, and the generated part of the guide for clients.
pub(crate) fn schema(root: &Path) -> anyhow::Result<()> {
    let guide = (clients::GUIDE, clients::guide(root)?);
    for (path, text) in config::generated_files().into_iter().chain([guide]) {
        std::fs::write(root.join(path), text).with_context(|| format!("writing {path}"))?;
        say(&format!("wrote {path}"));
    }
    ["admin", "v2"].into_iter().try_for_each(|api| describe(root, api))
}

/// Writes the description of an API, which the binary knows.
fn describe(root: &Path, api: &str) -> anyhow::Result<()> {
    let words = ["run", "--quiet", "--package", "filmgate", "--", "openapi", api];
    let output =
        Command::new("cargo").args(words).current_dir(root).output().context("starting cargo run")?;
    anyhow::ensure!(output.status.success(), "describing {api}: {}", String::from_utf8_lossy(&output.stderr));
    let path = format!("docs/openapi/{api}.json");
    std::fs::write(root.join(&path), output.stdout).with_context(|| format!("writing {path}"))?;
    say(&format!("wrote {path}"));
    Ok(())
}

/// Writes what is generated in deploy/: the chart's README and the descriptions in its schema, and the base of kustomize.
pub(crate) fn chart(root: &Path) -> anyhow::Result<()> {
    let python = sdks::deploy_python(root)?;
    Step::new("chart", root, &[&python.to_string_lossy(), "-B", "tests/deploy/generated.py", "--write"]).run()
}

/// Compiles the static image as deploy/Dockerfile says, and runs the chart's pods from it and from the other.
pub(crate) fn image(root: &Path) -> anyhow::Result<()> {
    setup::for_tests(root)?;
    Step::new("build", root, &["cargo", "build", "--package", "filmgate"]).run()?;
    let python = sdks::deploy_python(root)?;
    Step::new("image", root, &[&python.to_string_lossy(), "-B", "tests/deploy/test_image.py"])
        .env("FILMGATE_BIN", binary(root)?)
        .env("FILMGATE_LONG", "1")
        .run()
}

/// Where cargo puts the binary.
fn binary(root: &Path) -> anyhow::Result<PathBuf> {
    let metadata = metadata(root, &["--no-deps"])?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(Path::new(target).join("debug").join("filmgate"))
}

/// What cargo knows of the workspace.
pub(crate) fn metadata(root: &Path, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .args(arguments)
        .current_dir(root)
        .output()
        .context("starting cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_advisory_database_counts() {
        let home = std::env::temp_dir().join(format!("filmgate-xtask-{}", std::process::id()));
        assert!(!has_advisories(&home));
        std::fs::create_dir_all(home.join("advisory-dbs/advisory-db-1")).unwrap();
        assert!(!has_advisories(&home));
        std::fs::create_dir_all(home.join("advisory-dbs/advisory-db-1/crates")).unwrap();
        assert!(has_advisories(&home));
        std::fs::remove_dir_all(home).unwrap();
    }
}
