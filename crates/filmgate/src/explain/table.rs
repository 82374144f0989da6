//! An explanation as text: a table of who would be tried and who would not, and then what each would be sent.

use std::fmt::Write as _;

use domain::{Money, Strategy};
use tasks::{Explanation, ModelShown, Outcome, Way};

const HEADS: [&str; 7] = ["", "account", "provider", "model", "tier", "price", "why"];

/// `explanation` for people to read.
pub(super) fn of(explanation: &Explanation, currency: &str) -> String {
    let mut text = head(explanation, currency);
    let row = |number: String, way: &Way, why: &str| {
        let price = way.price.map_or_else(|| "?".to_owned(), |price| price.to_string());
        let provider = if way.provider.is_empty() { "?" } else { &way.provider };
        let tier = way.tier.to_string();
        [
            number,
            way.account.to_string(),
            provider.into(),
            way.upstream_model.clone(),
            tier,
            price,
            why.into(),
        ]
    };
    let numbered = (1..).zip(&explanation.candidates);
    let tried = numbered.map(|(number, one)| row(format!("{number}."), &one.way, &one.reason));
    let left_out = explanation.rejected.iter().map(|one| row("-".to_owned(), &one.way, &one.reason));
    let rows: Vec<[String; 7]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(tried).chain(left_out).collect();
    text.push('\n');
    aligned(&rows).iter().for_each(|line| line_to(&mut text, line));
    for (number, one) in (1..).zip(&explanation.candidates) {
        line_to(&mut text, &format!("\n{number}. {} would be sent", one.way.account));
        one.call.lines().for_each(|line| line_to(&mut text, format!("   {line}").trim_end()));
    }
    text
}

/// What holds for all accounts.
fn head(explanation: &Explanation, currency: &str) -> String {
    let mut text = String::new();
    let strategy = &explanation.strategy;
    line_to(
        &mut text,
        &format!("{}, {} by the {}", model(&explanation.model), strategy.value, strategy.by.as_str()),
    );
    if let Some(price_max) = &explanation.price_max {
        let (value, by) = (price_max.value, price_max.by.as_str());
        line_to(&mut text, &format!("at most {value} {currency} by the {by}"));
    }
    if let Some(attempts_max) = explanation.attempts_max {
        line_to(&mut text, &format!("at most {attempts_max} submissions"));
    }
    if let Some(reserved) = explanation.reserved.filter(|reserved| *reserved > Money::ZERO) {
        line_to(&mut text, &format!("{reserved} {currency} would be set aside"));
    }
    match (&explanation.refused, explanation.outcome) {
        (Some(refused), _) => line_to(&mut text, &format!("refused: {}", refused.message)),
        (None, Outcome::Fails) => {
            line_to(&mut text, "accepted, and fails: no account can serve this request")
        }
        (None, Outcome::Waits) => line_to(&mut text, "accepted, and waits: no account takes it now"),
        (None, _) => {}
    }
    if strategy.value == Strategy::Weighted.as_str() && explanation.seed.is_none() {
        line_to(&mut text, "chance falls anew for each task: give --seed TASK for the order that a task got");
    }
    if !explanation.conditions_are_live {
        line_to(
            &mut text,
            "accounts are taken to be well and with room; POST /admin/explain asks a running gateway how they are",
        );
    }
    text
}

/// The model with all that is not as its name says.
fn model(model: &ModelShown) -> String {
    let asked = model.asked.as_ref().filter(|asked| **asked != model.name);
    let replaced_by = model.replaced_by.as_ref().map(|other| format!("replaced by {other}"));
    let notes = [
        asked.map(|asked| format!("asked for as {asked}")),
        model.deprecated.then(|| "deprecated".to_owned()),
        replaced_by,
        (model.route != model.name).then(|| format!("served by the route of {}", model.route)),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    if notes.is_empty() { model.name.clone() } else { format!("{} ({})", model.name, notes.join(", ")) }
}

/// The rows as lines, each column as wide as what is in it.
fn aligned(rows: &[[String; 7]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn line_to(text: &mut String, line: &str) {
    let _never_fails = writeln!(text, "{line}");
}
