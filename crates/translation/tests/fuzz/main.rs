//! Every decoder against messages that nobody meant. What it decodes goes on through the encoders, as in the gateway.
//!
//! The registry says what there is to try, the fixtures say what to begin with: a new API is included by being there.
//! Case `index` of a target depends on the seed, the target's name and `index` alone, so that each can be run again.
//!
//! `cargo xtask fuzz [--inputs N] [--seed S]` runs more cases than the tests do, optimised but with all checks;
//! `--replay TARGET#INDEX` shows one and runs it. The stack is that of any test's thread. A case that overflows it ends
//! the process, whose last line names the target; `--inputs` finds the index by halving.

mod bytes;
mod check_call;
mod check_reply;
mod corpus;
#[path = "../fixtures/files.rs"]
#[expect(dead_code, reason = "the fixtures' own tests also write")]
mod files;
mod json;
mod message;
mod mutate;
#[path = "../shared/paths.rs"]
mod paths;
mod run;
mod settings;
mod target;
mod texts;
mod world;

use crate::corpus::Corpus;
use crate::run::{Outcome, run};
use crate::settings::Settings;
use crate::target::{Target, targets};

#[test]
fn decoders_survive_what_nobody_meant() {
    let corpus = Corpus::read();
    let settings = Settings::read();
    let targets = targets(&corpus);
    if let Some((name, index)) = &settings.replay {
        let target = targets.iter().find(|target| target.name == *name).expect("the name of a target");
        let (message, mut random) = target.case(&corpus, settings.seed, *index);
        println!("{message}");
        println!("read as: {}", target.check(&message, &mut random));
        return;
    }
    let outcome = run(&targets, &corpus, &settings);
    println!("{}", outcome.report());
    assert!(outcome.findings.is_empty(), "\n{}", outcome.findings.join("\n\n"));
    // A few cases prove nothing about the whole.
    if settings.inputs >= 1_000 {
        assert_eq!(outcome.one_sided(&targets), [""; 0]);
    }
}

#[test]
fn a_planted_panic_is_found_and_found_again() {
    let corpus = Corpus::read();
    let planted = || {
        Target::of("planted", &corpus.calls, |message, _random| {
            let body = String::from_utf8_lossy(&message.body);
            assert!(!body.contains(":null"), "a null");
            "read"
        })
    };
    let settings = Settings { inputs: 2_000, seed: 7, replay: None };
    let found: Vec<Outcome> = (0..2).map(|_| run(&[planted()], &corpus, &settings)).collect();
    assert_eq!(found[0].findings.len(), 1, "a finding ends the target");
    assert_eq!(found[0].findings, found[1].findings);
    assert!(
        found[0].findings[0].contains("a null")
            && found[0].findings[0].contains("--seed 7 --replay 'planted#")
    );
}
