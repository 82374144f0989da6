//! Every safety mechanism is missed when it is not there. A scenario is a test of its own and passes; run again without
//! its mechanism it must fail, and for the reason that is named here. That is what the zeros of the other suites rest on.

mod replicated;
mod scenarios;
mod stored;

use std::process::Command;

use serde_json::json;
use tests::figures;

/// The variable that names the mechanisms to do without.
const WITHOUT: &str = "FILMGATE_WITHOUT";

/// Runs a scenario of this file's binary in a process of its own; whether it passed, and what it said.
fn run(scenario: &str, without: &[&str]) -> (bool, String) {
    let binary = std::env::current_exe().expect("a test knows where it is");
    let mut command = Command::new(binary);
    command.args(["--exact", scenario, "--nocapture"]).env(WITHOUT, without.join(","));
    let output = command.output().expect("a test can be run again");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(said.contains("running 1 test"), "there is no scenario {scenario}: {said}");
    (output.status.success(), said)
}

/// Mechanisms that stand before another one, so that it is not needed while they are there, are taken away `besides`.
fn must_be_missed(mechanism: &str, scenario: &str, besides: &[&str], says: &str) {
    if !besides.is_empty() {
        let (passed, said) = run(scenario, besides);
        assert!(passed, "{scenario} needs more than {mechanism}: {said}");
    }
    let (passed, said) = run(scenario, &[besides, &[mechanism]].concat());
    let is_missed = !passed && said.contains(says);
    figures::note("mutations", json!({ "mechanism": mechanism, "n": 1, "failures": u64::from(!is_missed) }));
    assert!(!passed, "{scenario} passes without {mechanism}: {said}");
    assert!(said.contains(says), "{scenario} fails without {mechanism}, but does not say \"{says}\": {said}");
}

macro_rules! mechanisms {
    ($($mechanism:ident: $place:ident, besides $besides:expr, says $says:expr;)*) => {
        /// The mechanisms that have a scenario.
        const SHOWN: &[&str] = &[$(stringify!($mechanism)),*];

        mod without {
            $(
                #[test]
                fn $mechanism() {
                    let scenario = concat!(stringify!($place), "::", stringify!($mechanism));
                    super::must_be_missed(stringify!($mechanism), scenario, &$besides, $says);
                }
            )*
        }
    };
}

mechanisms! {
    one_live_attempt: stored, besides [], says "a second live attempt was stored";
    intent_first: scenarios, besides [], says "was accepted 2 times, 1 are explained";
    hold_unknown: scenarios, besides [], says "was accepted 3 times, 1 are explained";
    end_compare_and_set: stored, besides [], says "a writer that read an older version won";
    lease_epoch: stored, besides [], says "a writer whose claim was taken over won";
    idempotency_unique: stored, besides [], says "one key made two tasks";
    budget_condition: stored, besides [], says "more was accepted than the budget has";
    slot_in_transaction: stored, besides [], says "more was accepted than there are slots";
    outbox_in_transaction: scenarios, besides [], says "has ended and there is no message";
    ledger_unique: stored, besides ["end_compare_and_set", "lease_epoch"], says "an end was settled twice";
    spool: scenarios, besides [], says "its id was lost";
    inbox: stored, besides [], says "a repetition was news";
    callback_signature: scenarios, besides [], says "a forged callback was taken";
    dial_check: scenarios, besides [], says "a trap was called";
    quarantine: scenarios, besides [], says "is not in quarantine";
    account_pinned: scenarios, besides [], says "a task was asked about with another credential";
    key_of_the_routes: scenarios, besides [], says "a key that is gone made a task";
    lease_outlasts: replicated, besides [], says "was accepted 2 times, 1 are explained";
    hand_over: replicated, besides [], says "a task waits for a process that has ended";
    pass_on: replicated, besides [], says "its answer was lost";
    reconcile_slots: replicated, besides [], says "a slot is held for a task that has ended";
}

#[test]
fn every_mechanism_has_a_scenario() {
    let mechanisms: Vec<&str> = failpoints::MECHANISMS.iter().map(|(name, _)| *name).collect();
    assert_eq!(SHOWN, mechanisms);
}
