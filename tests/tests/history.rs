//! The checker itself: it finds nothing in a history where all is well, and every kind of harm where there is one.

use http::HeaderMap;
use tests::history::{
    Answer, Ask, Attempt, Books, Delivery, Entry, Generation, History, Log, Owner, StoredTask, Traps,
};
use tests::listener::Message;

/// Two tasks: one was made and told, the submission of the other was lost and it is held.
fn good() -> History {
    let ask = |prompt: &str, id: &str| Ask {
        prompt: prompt.into(),
        key: Some(format!("key of {prompt}")),
        answers: vec![Answer::Nothing, Answer::Task(id.into()), Answer::Task(id.into())],
    };
    let mut log = Log { asks: vec![ask("made", "t1"), ask("lost", "t2")], ..Log::default() };
    for (id, state) in [("t1", "NOT_START"), ("t1", "IN_PROGRESS"), ("t1", "SUCCESS"), ("t2", "FAILURE")] {
        log.read(id, state);
    }
    let generation = |id: &str, prompt: &str| Generation { id: id.into(), prompt: prompt.into() };
    History {
        log,
        generations: vec![generation("g1", "made"), generation("g2", "lost")],
        books: books(),
        heard: vec![message("m1", b"{}", 500), message("m1", b"{}", 200)],
        traps: Traps { named: 1, connections: 0 },
        texts: vec![("log".into(), "a line\nanother".into())],
        secrets: vec!["hunter2".into()],
        ..History::default()
    }
}

fn books() -> Books {
    let task = |id: &str, prompt: &str, state: &str, outcome: &str, handle: Option<&str>| StoredTask {
        id: id.into(),
        owner: "o".into(),
        prompt: prompt.into(),
        state: state.into(),
        has_ended: true,
        attempts: vec![Attempt { outcome: outcome.into(), handle: handle.map(str::to_owned) }],
        ..StoredTask::default()
    };
    let made = task("t1", "made", "succeeded", "accepted", Some("g1"));
    let lost = task("t2", "lost", "failed", "unknown", None);
    let entry = |task: &str, kind: &str, amount| Entry {
        task: task.into(),
        owner: "o".into(),
        kind: kind.into(),
        amount,
    };
    Books {
        tasks: vec![
            StoredTask { wants_message: true, ..made },
            StoredTask { failure: Some("outcome_unknown".into()), ..lost },
        ],
        owners: vec![Owner { owner: "o".into(), live_tasks: 0, committed: 11 }],
        deliveries: vec![Delivery {
            id: "m1".into(),
            task: "t1".into(),
            state: "delivered".into(),
            tries: 2,
            body: b"{}".to_vec(),
        }],
        ledger: vec![
            entry("t1", "reserve", 5),
            entry("t2", "reserve", 7),
            entry("t1", "capture", 4),
            entry("t1", "release", 1),
        ],
        keys: vec![],
    }
}

fn message(id: &str, body: &'static [u8], answer: u16) -> Message {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", id.parse().expect("ids fit into headers"));
    Message { path: "/".into(), headers, body: body.into(), answer }
}

/// What the checker says of the good history after `harm` was done to it: the broken invariants.
fn broken(harm: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = good();
    harm(&mut history);
    let verdict = history.check();
    let broken = verdict.findings.iter().filter(|finding| !finding.violations.is_empty());
    broken.map(|finding| finding.name).collect()
}

#[test]
fn a_history_where_all_is_well_has_no_violations_and_says_what_was_looked_at() {
    let verdict = good().check();
    assert_eq!(verdict.failures(), 0, "{verdict}");
    assert!(verdict.findings.iter().all(|finding| finding.n > 0), "{verdict}");
    assert!(verdict.to_string().contains("I2 an upstream accepts a task at most once"), "{verdict}");
    assert!(verdict.to_string().contains("0 of 2 (below 150.00 %, 95 % bound)"), "{verdict}");
}

#[test]
fn an_accepted_task_that_is_lost_or_never_ends_is_found() {
    assert_eq!(broken(|h| _ = h.books.tasks.remove(1)), ["I1", "I2", "I3", "I4"]);
    let live = |h: &mut History| {
        h.books.tasks[0].has_ended = false;
        h.books.owners[0].live_tasks = 1;
    };
    assert_eq!(broken(live), ["I1"]);
    assert_eq!(broken(|h| h.books.tasks[0].prompt = "lost".into())[0], "I1");
}

#[test]
fn a_second_generation_is_found_unless_the_first_has_failed() {
    let again = |h: &mut History| h.generations.push(Generation { id: "g3".into(), prompt: "lost".into() });
    assert_eq!(broken(again), ["I2"]);
    let after_failure = |h: &mut History| {
        again(h);
        let failed = Attempt { outcome: "failed".into(), handle: Some("g3".into()) };
        h.books.tasks[1].attempts.insert(0, failed);
    };
    assert!(broken(after_failure).is_empty());
}

#[test]
fn a_generation_that_nobody_knows_of_or_two_claim_is_found() {
    assert_eq!(broken(|h| h.books.tasks[1].attempts[0].outcome = "not_sent".into()), ["I3"]);
    assert_eq!(broken(|h| h.books.tasks[1].attempts[0].handle = Some("g1".into())), ["I3"]);
}

#[test]
fn money_that_is_gone_or_counted_twice_is_found() {
    let owner = |h: &mut History, committed| h.books.owners[0].committed = committed;
    assert_eq!(broken(|h| owner(h, 12)), ["I4"]);
    let twice = |h: &mut History| {
        h.books.ledger.push(Entry { amount: 0, ..h.books.ledger[3].clone() });
    };
    assert_eq!(broken(twice), ["I4"]);
    let never = |h: &mut History| {
        h.books.ledger.truncate(2);
        owner(h, 12);
    };
    assert_eq!(broken(never), ["I4"], "only what nobody knows the outcome of may stay set aside");
}

#[test]
fn a_slot_that_is_not_given_back_is_found() {
    assert_eq!(broken(|h| h.books.owners[0].live_tasks = 1), ["I5"]);
}

#[test]
fn a_message_that_is_missing_or_changed_or_given_up_early_is_found() {
    assert_eq!(broken(|h| h.heard.truncate(1)), ["I6"]);
    assert_eq!(broken(|h| h.heard[1].body = b"{ }".as_slice().into()), ["I6"]);
    assert_eq!(broken(|h| h.books.deliveries.clear()), ["I6"]);
    assert_eq!(broken(|h| h.books.deliveries[0].state = "waiting".into()), ["I6"]);
    assert_eq!(broken(|h| h.books.deliveries[0].state = "dead".into()), ["I6"], "after two tries");
    assert_eq!(broken(|h| h.heard.push(message("m2", b"{}", 200))), ["I6"]);
}

#[test]
fn a_message_without_a_valid_signature_is_found() {
    // The example of the specification's own libraries.
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let signed = |signature: &str| {
        let mut message = message("msg_p5jXN8AQM9LWM0D4loKWxJek", b"{\"test\": 2432232314}", 200);
        message.headers.insert("webhook-timestamp", "1614265330".parse().unwrap());
        message.headers.insert("webhook-signature", signature.parse().unwrap());
        message
    };
    let harm = |message: Message| {
        move |h: &mut History| {
            h.callback_secret = secret.into();
            h.books.deliveries[0].id = message.header("webhook-id").to_owned();
            h.books.deliveries[0].body = message.body.to_vec();
            h.heard = vec![message];
        }
    };
    let valid = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert!(broken(harm(signed(valid))).is_empty());
    assert!(broken(harm(signed(&format!("v1,AAAA {valid}")))).is_empty(), "one of several is enough");
    assert_eq!(broken(harm(signed("v1,AAAA"))), ["I6"]);
    assert_eq!(broken(harm(signed(""))), ["I6"]);
}

#[test]
fn a_client_that_reads_backwards_is_found() {
    let read = |h: &mut History, id: &str, state: &str| h.log.read(id, state);
    assert_eq!(broken(|h| read(h, "t1", "IN_PROGRESS")), ["I7"]);
    assert_eq!(broken(|h| read(h, "t1", "FAILURE")), ["I7"]);
    let queued_again = |h: &mut History| {
        h.log.reads.insert("t1".into(), vec!["IN_PROGRESS".into(), "NOT_START".into()]);
    };
    assert_eq!(broken(queued_again), ["I7"]);
    let refused = |h: &mut History| {
        queued_again(h);
        let rejected = Attempt { outcome: "rejected".into(), handle: None };
        h.books.tasks[0].attempts.insert(0, rejected);
    };
    assert!(broken(refused).is_empty(), "a refused submission puts its task back into the line");
}

#[test]
fn a_secret_that_is_shown_is_found() {
    assert_eq!(broken(|h| h.texts.push(("log".into(), "key=hunter2".into()))), ["I8"]);
}

#[test]
fn a_call_to_a_trap_is_found() {
    assert_eq!(broken(|h| h.traps.connections = 1), ["I9"]);
}

#[test]
fn a_key_that_made_two_tasks_is_found() {
    let told_two = |h: &mut History| h.log.asks[0].answers.push(Answer::Task("t2".into()));
    assert!(broken(told_two).contains(&"A2"));
    let made_two = |h: &mut History| {
        let twin = StoredTask { id: "t3".into(), wants_message: false, ..h.books.tasks[1].clone() };
        h.books.tasks.push(twin);
    };
    assert_eq!(broken(made_two), ["A2"]);
    assert_eq!(broken(|h| h.log.asks[0].answers.push(Answer::Refused(422))), ["A2"]);
}
