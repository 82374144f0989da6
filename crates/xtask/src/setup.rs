//! Installs what the tests and checks need and this machine lacks. What is there is left as it is.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::sdks;
use crate::step::{Step, say};

/// A program that a Debian package brings.
struct Program {
    name: &'static str,
    package: &'static str,
}

/// A subcommand of cargo, built from source at a fixed version.
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// The sandbox's encoder is C++; ffprobe and a browser prove that its clips play; node runs clients in JavaScript; Redis
/// keeps limits that gateways share; Prometheus asks what dashboards ask; buildah builds the image without a daemon.
const PROGRAMS: &[Program] = &[
    Program { name: "c++", package: "g++" },
    Program { name: "ffprobe", package: "ffmpeg" },
    Program { name: "chromium", package: "chromium" },
    Program { name: "node", package: "nodejs" },
    Program { name: "npm", package: "npm" },
    Program { name: "redis-server", package: "redis-server" },
    Program { name: "prometheus", package: "prometheus" },
    Program { name: "buildah", package: "buildah" },
];

const NEXTEST: Tool = Tool { name: "nextest", version: "0.9.143" };
const DENY: Tool = Tool { name: "deny", version: "0.20.2" };

/// What the tests need in the repository at `root`.
pub(crate) fn for_tests(root: &Path) -> anyhow::Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|program| !answers(&[program.name, "--version"]))
        .map(|program| program.package)
        .collect();
    if !succeeds(&["python3", "-c", "import ensurepip, venv"]) {
        missing.push("python3-venv");
    }
    if !has_postgres() {
        missing.push("postgresql");
    }
    install_packages(&missing)?;
    sdks::install(root)?;
    install_tool(&NEXTEST)
}

/// Whether there is a PostgreSQL server. Its package does not put it on the path; the cluster that it makes and starts by
/// itself is left alone, tests start their own.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs = versions.map(|version| version.path().join("bin/postgres"));
    programs.any(|program| program.is_file()) || answers(&["postgres", "--version"])
}

/// What the tests and the other checks need.
pub(crate) fn everything(root: &Path) -> anyhow::Result<()> {
    for_tests(root)?;
    install_tool(&DENY)
}

fn install_packages(missing: &[&str]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    apt_get("packages", &["update"])?;
    let packages = missing.iter().copied();
    let arguments: Vec<&str> =
        ["install", "--yes", "--no-install-recommends"].into_iter().chain(packages).collect();
    apt_get("packages", &arguments)
}

fn apt_get(step: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
    let sudo = if is_root() { &[] as &[&str] } else { &["sudo"] };
    // By way of env, because sudo does not hand variables on.
    let head = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"];
    let words: Vec<&str> = sudo.iter().copied().chain(head).chain(arguments.iter().copied()).collect();
    Step::new(step, Path::new("/"), &words).run()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn install_tool(tool: &Tool) -> anyhow::Result<()> {
    if answers(&["cargo", tool.name, "--version"]) {
        return Ok(());
    }
    say(&format!("cargo-{} is missing; building it takes a minute or two", tool.name));
    let package = format!("cargo-{}@{}", tool.name, tool.version);
    // A tool that runs for seconds is not worth minutes of optimisation.
    Step::new("tools", Path::new("/"), &["cargo", "install", "--locked", &package])
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .run()
}

/// Whether a program is there. ffprobe knows `-version` only, so that it starts at all is enough; a subcommand of cargo
/// is there if it succeeds.
fn answers(words: &[&str]) -> bool {
    if words[0] == "cargo" { succeeds(words) } else { quietly(words).status().is_ok() }
}

fn succeeds(words: &[&str]) -> bool {
    quietly(words).status().is_ok_and(|status| status.success())
}

fn quietly(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_answers() {
        assert!(answers(&["cargo", "--version"]));
        assert!(!answers(&["cargo", "no-such-subcommand", "--version"]));
        assert!(!answers(&["no-such-program", "--version"]));
        assert!(!succeeds(&["false"]));
    }
}
