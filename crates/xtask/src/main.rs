//! The project's chores: `cargo xtask setup | test | ci | fuzz | figures | tidy | schema | chart | image`. What passes `ci` here passes everywhere.

mod chores;
mod clients;
mod figures;
mod fuzz;
mod sdks;
mod setup;
mod step;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask setup          install what is missing for the tests and checks
cargo xtask test [ARGS]    build the binary, run all tests; ARGS go to cargo nextest
cargo xtask ci             formatting, lints, docs, dependencies, tidy, tests
cargo xtask fuzz           a million cases for each decoder; --inputs N, --seed S, --replay TARGET#INDEX
cargo xtask figures        all tests, and docs/reliability.md of what they measured; --long, --from FOLDER
cargo xtask tidy           our own small checks
cargo xtask schema         write the generated files in config/, and the table of calls in docs/guide/clients.md
cargo xtask image          compile the static image and run it; takes as long as a release build
cargo xtask chart          write the generated files in deploy/";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let root = root();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::everything(&root),
        ["test", rest @ ..] => chores::test(&root, rest),
        ["ci"] => chores::ci(&root),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["figures", rest @ ..] => figures::run(&root, rest),
        ["tidy"] => tidy::run(&root),
        ["schema"] => chores::schema(&root),
        ["chart"] => chores::chart(&root),
        ["image"] => chores::image(&root),
        _ => anyhow::bail!("no such chore\n{USAGE}"),
    }
}

/// The repository, from wherever the chore was called.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives in crates/xtask")
        .to_owned()
}
