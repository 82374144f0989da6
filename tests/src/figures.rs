//! What suites measured, as lines of JSON in the folder that the environment names; nothing is written without it.
//! `cargo xtask figures` makes docs/reliability.md of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

/// Names the folder.
const FOLDER: &str = "FILMGATE_FIGURES";

/// Adds a line for `suite`: an object with at least `n`, how many cases there were, and `failures`.
///
/// # Panics
/// If the line misses one of these, or cannot be written.
pub fn note(suite: &str, mut figures: Value) {
    assert!(figures["n"].is_u64() && figures["failures"].is_u64(), "{suite}: {figures}");
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    figures["suite"] = suite.into();
    // One file for each process: lines of several never mix.
    let path = Path::new(&folder).join(format!("{suite}.{}.jsonl", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{figures}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Whether the long run is asked for, with `FILMGATE_LONG=1`.
pub fn is_long() -> bool {
    std::env::var_os("FILMGATE_LONG").is_some_and(|value| value == "1")
}
