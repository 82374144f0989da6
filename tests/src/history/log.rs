//! What a client knows: what it asked, what it was told, and what it read, in its own order.

use std::collections::BTreeMap;

/// A client's log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// What it asked for, each with all answers that it got.
    pub asks: Vec<Ask>,
    /// The states that it read of each task, in order, repetitions left out.
    pub reads: BTreeMap<String, Vec<String>>,
}

/// Something that the client wants, once, however often it has to say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// What it wants; no other ask has the same prompt.
    pub prompt: String,
    /// What makes repetitions the same request; without it the client does not repeat itself.
    pub key: Option<String>,
    /// One for each time that it asked.
    pub answers: Vec<Answer>,
}

/// What came of asking once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted, as the task of that id.
    Task(String),
    /// It was refused with that status.
    Refused(u16),
    /// No whole answer came.
    Nothing,
}

impl Ask {
    /// The ids that it was given; one, if all is well.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().filter_map(|answer| match answer {
            Answer::Task(id) => Some(id.as_str()),
            Answer::Refused(_) | Answer::Nothing => None,
        })
    }
}

impl Log {
    /// Notes that a task was read in that state.
    pub fn read(&mut self, id: &str, state: &str) {
        let states = self.reads.entry(id.to_owned()).or_default();
        if states.last().is_none_or(|last| last != state) {
            states.push(state.to_owned());
        }
    }
}
