//! How much is tried: a thousand cases of each target, unless whoever runs the tests says otherwise.
#![expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses how much is tried")]

use std::env;

/// Cases of each target in the test command: seconds, not minutes.
const INPUTS: u64 = 1_000;

/// What is tried.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Cases of each target.
    pub(crate) inputs: u64,
    /// What all randomness comes from.
    pub(crate) seed: u64,
    /// Only this case: `TARGET#INDEX`.
    pub(crate) replay: Option<(String, u64)>,
}

impl Settings {
    /// From `FUZZ_INPUTS`, `FUZZ_SEED` and `FUZZ_REPLAY`.
    pub(crate) fn read() -> Self {
        let number = |name: &str, otherwise: u64| {
            env::var(name).map_or(otherwise, |text| {
                text.parse().unwrap_or_else(|_| panic!("{name}: not a number: {text}"))
            })
        };
        let replay = env::var("FUZZ_REPLAY").ok().map(|text| {
            let parts = text
                .rsplit_once('#')
                .and_then(|(target, index)| Some((target.to_owned(), index.parse().ok()?)));
            parts.unwrap_or_else(|| panic!("FUZZ_REPLAY: not TARGET#INDEX: {text}"))
        });
        Self { inputs: number("FUZZ_INPUTS", INPUTS), seed: number("FUZZ_SEED", 1), replay }
    }
}
