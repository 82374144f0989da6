//! Installs what the tests and checks need and this machine lacks. What is there is left as it is.

use std::path::Path;
use std::process::{Command, Stdio};

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

/// The sandbox's encoder is C++; ffprobe and a browser prove that its clips play.
const PROGRAMS: &[Program] = &[
    Program { name: "c++", package: "g++" },
    Program { name: "ffprobe", package: "ffmpeg" },
    Program { name: "chromium", package: "chromium" },
];

const NEXTEST: Tool = Tool { name: "nextest", version: "0.9.143" };
const DENY: Tool = Tool { name: "deny", version: "0.20.2" };

/// What the tests need.
pub(crate) fn for_tests() -> anyhow::Result<()> {
    let missing: Vec<&Program> =
        PROGRAMS.iter().filter(|program| !answers(&[program.name, "--version"])).collect();
    install_packages(&missing)?;
    install_tool(&NEXTEST)
}

/// What the tests and the other checks need.
pub(crate) fn everything() -> anyhow::Result<()> {
    for_tests()?;
    install_tool(&DENY)
}

fn install_packages(missing: &[&Program]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    apt_get("packages", &["update"])?;
    let packages = missing.iter().map(|program| program.package);
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

fn answers(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    // ffprobe knows -version only; that it starts at all is enough.
    command.status().is_ok_and(|status| status.success() || words[0] != "cargo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_answers() {
        assert!(answers(&["cargo", "--version"]));
        assert!(!answers(&["cargo", "no-such-subcommand", "--version"]));
        assert!(!answers(&["no-such-program", "--version"]));
    }
}
