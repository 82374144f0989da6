//! Puts figures into a template. `{{kills}}` is how often the suite `kills` failed in how many cases, with a bound;
//! `{{kills.tasks}}` the sum of what its lines say of `tasks`; `{{invariants}}` and `{{runs}}` are tables over all suites.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// With 0 failures in n independent cases the rate is below 3 / n, in 95 of 100 such statements.
const RULE_OF_THREE: f64 = 3.0;

/// Invariants whose cases are no independent trials: lines of text.
const NO_TRIALS: [&str; 1] = ["I8"];

/// Reads lines of JSON.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, String> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        if value["suite"].is_string() { Ok(value) } else { Err(format!("{line}: no suite")) }
    };
    text.lines().filter(|text| !text.is_empty()).map(line).collect()
}

/// The template with every placeholder replaced.
pub(super) fn render(template: &str, lines: &[Value]) -> Result<String, String> {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a placeholder has no end")?;
        page += before;
        page += &figure(name, lines)?;
        rest = after;
    }
    Ok(page + rest)
}

fn figure(name: &str, lines: &[Value]) -> Result<String, String> {
    match name {
        "invariants" => Ok(invariants(lines)),
        "runs" => Ok(runs(lines)),
        _ => {
            let (suite, path) =
                name.split_once('.').map_or((name, None), |(suite, path)| (suite, Some(path)));
            let of_suite: Vec<&Value> = lines.iter().filter(|line| line["suite"] == suite).collect();
            if of_suite.is_empty() {
                return Ok("not measured yet".to_owned());
            }
            match path {
                Some(path) => sum(&of_suite, path).map(grouped).ok_or(format!("{name}: not in the lines")),
                None => Ok(share(failures(&of_suite), cases(&of_suite))),
            }
        }
    }
}

/// The sum over the lines that have it; nothing if none has.
fn sum(lines: &[&Value], path: &str) -> Option<u64> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let found: Vec<u64> = lines.iter().filter_map(|line| line.pointer(&pointer)?.as_u64()).collect();
    (!found.is_empty()).then(|| found.into_iter().sum())
}

fn failures(lines: &[&Value]) -> u64 {
    sum(lines, "failures").unwrap_or(0)
}

/// How many cases; those of a corpus are its rows, each with its verdict.
fn cases(lines: &[&Value]) -> u64 {
    let rows = || sum(lines, "blocked").unwrap_or(0) + sum(lines, "allowed").unwrap_or(0);
    sum(lines, "n").unwrap_or_else(rows)
}

fn share(failures: u64, n: u64) -> String {
    let of = plain(failures, n);
    if failures == 0 && n > 0 { format!("{of} (below {})", bound(n)) } else { of }
}

fn plain(failures: u64, n: u64) -> String {
    format!("{} of {}", grouped(failures), grouped(n))
}

/// The bound of the rate after no failure in `n` cases; with few cases it says nothing.
fn bound(n: u64) -> String {
    let percent = 100.0 * RULE_OF_THREE / n as f64;
    match percent {
        100.0.. => "100 %".to_owned(),
        1.0.. => format!("{percent:.0} %"),
        _ => format!("{percent:.3} %"),
    }
}

/// With a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A row for each invariant, over all suites that check whole histories.
fn invariants(lines: &[Value]) -> String {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let checked = lines.iter().filter_map(|line| line["invariants"].as_object());
    for (name, counts) in checked.flatten() {
        let (violations, n) = sums.entry(name).or_default();
        *violations += counts["violations"].as_u64().unwrap_or(0);
        *n += counts["n"].as_u64().unwrap_or(0);
    }
    let mut table = String::from("| invariant | violations of cases |\n|---|---|\n");
    for (name, (violations, n)) in sums {
        let share = if NO_TRIALS.contains(&name) { plain(violations, n) } else { share(violations, n) };
        let _text_takes_all = writeln!(table, "| {name} | {share} |");
    }
    table
}

/// A row for each suite: when what was tested was made, and how it went.
fn runs(lines: &[Value]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in lines {
        suites.entry(line["suite"].as_str().unwrap_or_default()).or_default().push(line);
    }
    let mut table =
        String::from("| suite | lines | failures of cases | revision | made |\n|---|---|---|---|---|\n");
    for (suite, lines) in suites {
        let text = |name: &str| lines[0][name].as_str().unwrap_or_default();
        let share = plain(failures(&lines), cases(&lines));
        let (revision, date) = (text("revision"), text("date"));
        let _text_takes_all =
            writeln!(table, "| {suite} | {} | {share} | {revision} | {date} |", lines.len());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"
{"suite":"kills","seed":1,"n":20,"failures":0,"tasks":1200,"invariants":{"I1":{"n":900,"violations":0}}}
{"suite":"kills","seed":2,"n":20,"failures":0,"tasks":34,"invariants":{"I1":{"n":100,"violations":0}}}
{"suite":"corpus","blocked":3,"allowed":1,"failures":2,"revision":"abc","date":"2026-11-21"}
"#;

    fn rendered(template: &str) -> String {
        render(template, &parse(LINES).unwrap()).unwrap()
    }

    #[test]
    fn figures_are_sums_over_the_lines_of_a_suite() {
        assert_eq!(rendered("a {{kills.tasks}} b {{kills.n}}"), "a 1,234 b 40");
        assert_eq!(rendered("{{kills.invariants.I1.n}}"), "1,000");
        assert_eq!(rendered("{{kills}}"), "0 of 40 (below 8 %)");
        assert_eq!(rendered("{{corpus}}"), "2 of 4", "no bound where something failed");
        assert_eq!(rendered("{{other}}"), "not measured yet");
    }

    #[test]
    fn what_no_line_says_is_no_figure() {
        assert!(render("{{kills.taks}}", &parse(LINES).unwrap()).is_err());
        assert!(render("{{kills", &parse(LINES).unwrap()).is_err());
        assert!(parse("{\"n\":1}").is_err() && parse("x").is_err());
    }

    #[test]
    fn tables_go_over_all_suites() {
        assert!(rendered("{{invariants}}").ends_with("| I1 | 0 of 1,000 (below 0.300 %) |\n"));
        assert!(rendered("{{runs}}").contains("| corpus | 1 | 2 of 4 | abc | 2026-11-21 |\n"));
    }

    #[test]
    fn a_bound_is_said_as_exactly_as_it_is_known() {
        assert_eq!(
            [1, 3, 34, 300, 1000, 100_000].map(bound),
            ["100 %", "100 %", "9 %", "1 %", "0.300 %", "0.003 %"]
        );
    }
}
