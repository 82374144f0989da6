//! Programs that stories need beside our own: curl, ffprobe, kill.

use std::io::ErrorKind;
use std::process::Command;

/// Runs a program to its end and gives what it printed to stdout.
///
/// # Panics
/// If it is not installed, or fails; with what it printed to stderr.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}", absent(program, &error)));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed with {}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Why a program could not be started.
pub fn absent(program: &str, error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        return format!("{program} is not installed, and this story needs it");
    }
    format!("starting {program}: {error}")
}
