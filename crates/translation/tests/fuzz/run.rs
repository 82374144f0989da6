//! Runs every case of every target, and tells what was found so that it can be run again.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Scope};

use crate::corpus::Corpus;
use crate::settings::Settings;
use crate::target::Target;

/// Bytes of a finding's message that are shown; `--replay` shows all.
const SHOWN_BYTES_MAX: usize = 2_000;

/// How often each word was said.
type Counts = BTreeMap<&'static str, u64>;

/// What came of a run.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Of each target.
    pub(crate) counts: BTreeMap<String, Counts>,
    /// What is wrong, at most once for each target.
    pub(crate) findings: Vec<String>,
}

impl Outcome {
    /// One line for each target, and the sum.
    pub(crate) fn report(&self) -> String {
        let mut report = String::new();
        for (name, counts) in &self.counts {
            let words: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
            let _writing_to_a_string_never_fails = writeln!(report, "{name}: {}", words.join(", "));
        }
        let inputs: u64 = self.counts.values().flat_map(BTreeMap::values).sum();
        report + &format!("{inputs} inputs, {} targets, {} findings", self.counts.len(), self.findings.len())
    }

    /// The targets none of whose cases went where they must, or all did.
    pub(crate) fn one_sided(&self, targets: &[Target<'_>]) -> Vec<&str> {
        let is_one_sided = |target: &&Target<'_>| {
            let counts = &self.counts[&target.name];
            let wanted = |word: &&str| target.wanted.contains(word);
            !target.wanted.is_empty() && (!counts.keys().any(wanted) || counts.keys().all(wanted))
        };
        self.counts
            .keys()
            .map(String::as_str)
            .filter(|name| targets.iter().filter(is_one_sided).any(|target| target.name == *name))
            .collect()
    }
}

/// Runs as many cases of each target as `settings` say, on all cores.
pub(crate) fn run(targets: &[Target<'_>], corpus: &Corpus, settings: &Settings) -> Outcome {
    let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (counts, finding) = on_its_own_thread(scope, target, corpus, settings);
                    let mut outcome = outcome.lock().expect("no worker panics while it writes");
                    outcome.counts.insert(target.name.clone(), counts);
                    outcome.findings.extend(finding);
                }
            });
        }
    });
    let mut outcome = outcome.into_inner().expect("no worker panics while it writes");
    outcome.findings.sort();
    outcome
}

/// The thread is called like the target: that is what is left to read when a stack overflows.
fn on_its_own_thread<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    target: &'env Target<'_>,
    corpus: &'env Corpus,
    settings: &'env Settings,
) -> (Counts, Option<String>) {
    let thread = thread::Builder::new().name(target.name.clone());
    let cases =
        thread.spawn_scoped(scope, move || run_cases(target, corpus, settings)).expect("a thread more");
    cases.join().expect("panics of cases are caught")
}

fn run_cases(target: &Target<'_>, corpus: &Corpus, settings: &Settings) -> (Counts, Option<String>) {
    let mut counts = Counts::new();
    for index in 0..settings.inputs {
        let (message, mut random) = target.case(corpus, settings.seed, index);
        match catch_unwind(AssertUnwindSafe(|| target.check(&message, &mut random))) {
            Ok(word) => *counts.entry(word).or_default() += 1,
            Err(panic) => {
                let mut shown = message.to_string();
                shown.truncate(shown.floor_char_boundary(SHOWN_BYTES_MAX));
                let again =
                    format!("cargo xtask fuzz --seed {} --replay '{}#{index}'", settings.seed, target.name);
                return (counts, Some(format!("{}\n{shown}\nagain: {again}", said(&*panic))));
            }
        }
    }
    (counts, None)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
