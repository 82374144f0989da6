//! What must be true of every run. Each invariant looks at a history and says how many cases it saw and which break it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Finding, History, StoredTask};
use crate::listener::Message;
use crate::signature;

/// An invariant.
pub(super) struct Invariant {
    name: &'static str,
    promise: &'static str,
    check: fn(&History) -> (usize, Vec<String>),
}

impl Invariant {
    pub(super) fn find(&self, history: &History) -> Finding {
        let (n, violations) = (self.check)(history);
        Finding { name: self.name, promise: self.promise, n, violations }
    }
}

/// All of them. A2 is named after its line in the catalogue of failures.
pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "I1",
        promise: "each id that a client was given is a task, and has ended",
        check: every_answer_is_a_task_that_ends,
    },
    Invariant {
        name: "I2",
        promise: "an upstream accepts a task at most once, and once more after each definite failure",
        check: nothing_is_made_twice,
    },
    Invariant {
        name: "I3",
        promise: "each generation belongs to one submission, or to one whose answer was lost",
        check: every_generation_has_its_attempt,
    },
    Invariant {
        name: "I4",
        promise: "what was set aside was spent or freed, once, or is held; the sums agree",
        check: the_ledger_adds_up,
    },
    Invariant { name: "I5", promise: "an owner's slots are those of its live tasks", check: slots_are_exact },
    Invariant {
        name: "I6",
        promise: "each message is received, or dead after four tries; one id, the same bytes, signed",
        check: every_message_is_settled,
    },
    Invariant {
        name: "I7",
        promise: "what a client reads of a task only moves forward",
        check: nobody_reads_backwards,
    },
    Invariant {
        name: "I8",
        promise: "no secret is in a log, a reply, a metric or a column",
        check: no_secret_is_shown,
    },
    Invariant { name: "I9", promise: "nobody is called who may not be called", check: traps_stay_silent },
    Invariant { name: "A2", promise: "a key of idempotency makes one task", check: one_task_for_a_key },
];

type Found = (usize, Vec<String>);

fn every_answer_is_a_task_that_ends(history: &History) -> Found {
    let tasks: BTreeMap<&str, &StoredTask> =
        history.books.tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut violations = Vec::new();
    let answers = history.log.asks.iter().flat_map(|ask| ask.ids().map(move |id| (ask, id)));
    let answers: BTreeSet<(&str, &str)> = answers.map(|(ask, id)| (id, ask.prompt.as_str())).collect();
    for (id, prompt) in &answers {
        match tasks.get(id) {
            None => violations.push(format!("{id} ({prompt}) was accepted and is lost")),
            Some(task) if task.prompt != *prompt => {
                violations.push(format!("{id} was the answer to \"{prompt}\" and is \"{}\"", task.prompt));
            }
            Some(task) if !task.has_ended => {
                violations.push(format!("{id} ({prompt}) is {} for ever", task.state));
            }
            Some(_) => {}
        }
    }
    (answers.len(), violations)
}

fn nothing_is_made_twice(history: &History) -> Found {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for generation in &history.generations {
        *made.entry(&generation.prompt).or_default() += 1;
    }
    let mut may: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &history.books.tasks {
        let failed = task.attempts.iter().filter(|attempt| attempt.outcome == "failed").count();
        *may.entry(&task.prompt).or_default() += 1 + failed;
    }
    let violations = made.iter().filter_map(|(prompt, made)| {
        let may = may.get(prompt).copied().unwrap_or(0);
        (*made > may).then(|| format!("\"{prompt}\" was accepted {made} times, {may} are explained"))
    });
    (history.books.tasks.len(), violations.collect())
}

fn every_generation_has_its_attempt(history: &History) -> Found {
    let mut owned: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lost: BTreeSet<&str> = BTreeSet::new();
    for task in &history.books.tasks {
        for attempt in &task.attempts {
            match &attempt.handle {
                Some(handle) => *owned.entry(handle).or_default() += 1,
                None if attempt.outcome == "unknown" => _ = lost.insert(&task.prompt),
                None => {}
            }
        }
    }
    let violations =
        history.generations.iter().filter_map(|generation| match owned.get(generation.id.as_str()) {
            Some(1) => None,
            Some(n) => Some(format!("{} belongs to {n} submissions", generation.id)),
            None if lost.contains(generation.prompt.as_str()) => None,
            None => Some(format!("{} (\"{}\") belongs to no submission", generation.id, generation.prompt)),
        });
    (history.generations.len(), violations.collect())
}

fn the_ledger_adds_up(history: &History) -> Found {
    let mut sums: BTreeMap<&str, BTreeMap<&str, Vec<i64>>> = BTreeMap::new();
    let mut committed: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in &history.books.ledger {
        sums.entry(&entry.task).or_default().entry(&entry.kind).or_default().push(entry.amount);
        *committed.entry(&entry.owner).or_default() += match entry.kind.as_str() {
            "reserve" | "late_adjustment" => entry.amount,
            "release" => -entry.amount,
            _ => 0,
        };
    }
    let tasks: BTreeMap<&str, &StoredTask> =
        history.books.tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut violations = Vec::new();
    for (id, kinds) in &sums {
        for (kind, rows) in kinds.iter().filter(|(_, rows)| rows.len() > 1) {
            violations.push(format!("{id} has {} rows of {kind}", rows.len()));
        }
        let sum = |kind| kinds.get(kind).into_iter().flatten().sum::<i64>();
        let open = sum("reserve") - sum("capture") - sum("release");
        let may_be_open = tasks.get(id).is_some_and(|task| !task.has_ended || task.is_held());
        let untouched = sum("capture") + sum("release") == 0;
        if open != 0 && !(may_be_open && untouched) {
            violations.push(format!("{id} has {open} of what was set aside neither spent nor freed"));
        }
    }
    for owner in &history.books.owners {
        let expected = committed.get(owner.owner.as_str()).copied().unwrap_or(0);
        if owner.committed != expected {
            violations.push(format!("{} counts {}, the ledger {expected}", owner.owner, owner.committed));
        }
    }
    (sums.len(), violations)
}

fn slots_are_exact(history: &History) -> Found {
    let mut live: BTreeMap<&str, i64> = BTreeMap::new();
    for task in history.books.tasks.iter().filter(|task| !task.has_ended) {
        *live.entry(&task.owner).or_default() += 1;
    }
    let violations = history.books.owners.iter().filter_map(|owner| {
        let live = live.get(owner.owner.as_str()).copied().unwrap_or(0);
        (owner.live_tasks != live)
            .then(|| format!("{} counts {} live tasks and has {live}", owner.owner, owner.live_tasks))
    });
    (history.books.tasks.len(), violations.collect())
}

fn every_message_is_settled(history: &History) -> Found {
    let mut violations = Vec::new();
    let wanting = history.books.tasks.iter().filter(|task| task.wants_message && task.has_ended);
    let told: BTreeSet<&str> =
        history.books.deliveries.iter().map(|delivery| delivery.task.as_str()).collect();
    for task in wanting.filter(|task| !told.contains(task.id.as_str())) {
        violations.push(format!("{} has ended and there is no message", task.id));
    }
    let mut heard: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in &history.heard {
        heard.entry(message.header("webhook-id")).or_default().push(message);
    }
    for delivery in &history.books.deliveries {
        let heard = heard.remove(delivery.id.as_str()).unwrap_or_default();
        let received = heard.iter().any(|message| message.is_received());
        match (delivery.state.as_str(), received) {
            ("delivered", true) => {}
            ("dead", _) if delivery.tries == TRIES => {}
            (state, _) => violations.push(format!(
                "{} is {state} after {} tries, received: {received}",
                delivery.id, delivery.tries
            )),
        }
        for message in heard {
            if message.body != delivery.body {
                violations.push(format!("{} was sent with other bytes", delivery.id));
            }
            if !history.callback_secret.is_empty() && !signature::is_valid(message, &history.callback_secret)
            {
                violations.push(format!("{} was sent without a valid signature", delivery.id));
            }
        }
    }
    violations.extend(heard.keys().map(|id| format!("{id} was heard and is not in the store")));
    (history.books.deliveries.len(), violations)
}

/// Tries of a message before it is dead.
const TRIES: i64 = 4;

fn nobody_reads_backwards(history: &History) -> Found {
    let refused = |task: &&StoredTask| {
        task.attempts
            .iter()
            .any(|attempt| ["not_sent", "rejected", "failed"].contains(&attempt.outcome.as_str()))
    };
    // A submission that never left, or was refused, puts its task back into the line: that is no step backwards.
    let may_queue: BTreeSet<&str> =
        history.books.tasks.iter().filter(refused).map(|task| task.id.as_str()).collect();
    let mut violations = Vec::new();
    for (id, states) in &history.log.reads {
        for pair in states.windows(2) {
            let queued_again =
                pair[1] == "NOT_START" && pair[0] == "IN_PROGRESS" && may_queue.contains(id.as_str());
            if rank(&pair[1]) <= rank(&pair[0]) && !queued_again {
                violations.push(format!("{id} was read as {}, then as {}", pair[0], pair[1]));
            }
        }
    }
    (history.log.reads.len(), violations)
}

fn rank(state: &str) -> u8 {
    match state {
        "NOT_START" => 0,
        "IN_PROGRESS" => 1,
        _ => 2,
    }
}

fn no_secret_is_shown(history: &History) -> Found {
    let mut violations = Vec::new();
    for (place, text) in &history.texts {
        for (number, secret) in history.secrets.iter().enumerate() {
            if text.contains(secret) {
                violations.push(format!("{place} shows secret {number}"));
            }
        }
    }
    let lines: usize = history.texts.iter().map(|(_, text)| text.lines().count()).sum();
    (lines, violations)
}

fn traps_stay_silent(history: &History) -> Found {
    let violations = (0..history.traps.connections).map(|_| "a trap was called".to_owned());
    (history.traps.named, violations.collect())
}

fn one_task_for_a_key(history: &History) -> Found {
    let mut tasks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for task in &history.books.tasks {
        tasks.entry(&task.prompt).or_default().insert(&task.id);
    }
    let mut violations = Vec::new();
    let keyed: Vec<_> = history.log.asks.iter().filter(|ask| ask.key.is_some()).collect();
    for ask in &keyed {
        let made = tasks.get(ask.prompt.as_str()).map_or(0, BTreeSet::len);
        let told: BTreeSet<&str> = ask.ids().collect();
        if made > 1 || told.len() > 1 {
            violations.push(format!("\"{}\" made {made} tasks, its client was told {told:?}", ask.prompt));
        }
        if ask.answers.contains(&Answer::Refused(422)) {
            violations.push(format!("\"{}\" was taken for another request", ask.prompt));
        }
    }
    (keyed.len(), violations)
}
