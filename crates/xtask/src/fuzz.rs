//! Runs the codecs' fuzz targets for longer than the tests do: optimised, but with every check that the tests have.

use std::path::Path;

use anyhow::Context as _;

use crate::step::Step;

/// Cases of each target, unless said otherwise.
const INPUTS: &str = "1000000";

/// The options, and the variables by which the test reads them.
const OPTIONS: [(&str, &str); 3] =
    [("--inputs", "FUZZ_INPUTS"), ("--seed", "FUZZ_SEED"), ("--replay", "FUZZ_REPLAY")];

/// Runs what `arguments` say: options, each followed by its value.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let words =
        ["cargo", "test", "--release", "--package", "translation", "--test", "fuzz", "--", "--nocapture"];
    let step = Step::new("fuzz", root, &words)
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("FUZZ_INPUTS", INPUTS);
    variables(arguments)?.into_iter().fold(step, |step, (name, value)| step.env(name, value)).run()
}

fn variables<'a>(arguments: &[&'a str]) -> anyhow::Result<Vec<(&'static str, &'a str)>> {
    let variable = |pair: &[&'a str]| {
        let [option, value] = pair else { anyhow::bail!("{} needs a value", pair[0]) };
        let known = OPTIONS.iter().find(|(known, _)| known == option);
        let (_, name) = known.with_context(|| format!("no such option of fuzz: {option}"))?;
        Ok((*name, *value))
    };
    arguments.chunks(2).map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_variables() {
        let found = variables(&["--seed", "7", "--replay", "a POST /b#9"]).unwrap();
        assert_eq!(found, [("FUZZ_SEED", "7"), ("FUZZ_REPLAY", "a POST /b#9")]);
        assert!(variables(&["--seed"]).is_err());
        assert!(variables(&["--sead", "7"]).is_err());
    }
}
