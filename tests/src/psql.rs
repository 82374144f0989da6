//! Looks into a database beside the code that is being tested, with PostgreSQL's own client.

use serde_json::Value;

use crate::tool;

/// Runs statements; what they print, without decoration.
///
/// # Panics
/// If one fails.
pub fn run(url: &str, sql: &str) -> String {
    let arguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"];
    tool::run("psql", &[&arguments[..], &["--command", sql, url]].concat())
}

/// The rows of a query, each as an object.
///
/// # Panics
/// If it fails.
pub fn rows(url: &str, query: &str) -> Vec<Value> {
    let printed = run(url, &format!("SELECT row_to_json(t) FROM ({query}) t"));
    let row = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    printed.lines().filter(|line| !line.is_empty()).map(row).collect()
}
