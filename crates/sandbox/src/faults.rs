//! What shall go wrong, and how often: the grammar of `--fault`, and the throw of the dice. Pure: dice come in.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest `latency` and `slow`.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The calls that submits are.
const ON_SUBMIT: &[CallKind] = &[CallKind::Submit];

const ALLOWED: &str = "latency=2s, error, 429, hang, cut, garbage, reuse, never, fail, policy, slow=10s, \
    callback:off; a share of the calls as in cut=0.3 (not for latency and slow); \
    before a word about calls: submit:, poll: or media:";

/// What shall go wrong; nothing by default. Read from text with [`FromStr`]; empty text means nothing.
///
/// Faults are words, combined by commas. Of the words that meet one call, the first whose dice fall wins. A call that
/// is refused for its own sake (wrong key, wrong request) is refused as ever.
///
/// | word | what happens |
/// |---|---|
/// | `latency=2s`, `latency=250ms` | every answer to the call waits; a submit is accepted before the wait |
/// | `error` | the call is answered as an internal error; nothing is accepted |
/// | `429` | the call is answered as too many; nothing is accepted |
/// | `hang` | a submit is accepted; the call is never answered, the connection stays open |
/// | `cut` | a submit is accepted; the connection is closed without an answer (of media: after half of the body) |
/// | `garbage` | a submit is accepted; the answer is 200 with bytes that are neither JSON nor media |
/// | `reuse` | a submit is accepted; the answer names an earlier task of the same API and kind, if there is one |
/// | `never` | the task is accepted and never finishes |
/// | `fail` | the task ends in a failure of the generation |
/// | `policy` | the task ends refused by a content policy |
/// | `slow=10s` | the task takes that long in place of the usual time |
/// | `callback:off` | nobody is told that the task has ended |
///
/// Every word without a duration takes a share of the calls (or tasks): `cut=0.3`; without one it is always.
/// A word about calls takes a prefix that says which: `submit:`, `poll:` or `media:`. Without a prefix it is submits
/// and polls. `reuse` is about submits alone, and a word about tasks takes no prefix.
///
/// So an answer is lost after acceptance by `submit:hang`, `submit:cut` and `submit:garbage`, and a task that ends long after
/// everybody's patience is `slow=3600s`.
///
/// A prompt may hold `[sandbox:WORDS]`, for instance `[sandbox:fail]` or `[sandbox:slow=10s,poll:error=0.5]`: the same
/// grammar for this one task, ahead of the general words; there, a word without a prefix is about the submit alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults(Vec<Rule>);

/// Text that is not in the grammar of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a word of the grammar.
    #[error("unknown fault \"{word}\"; allowed are {ALLOWED}")]
    UnknownWord {
        /// As it was written.
        word: String,
    },
    /// A prefix that names no kind of call.
    #[error("unknown prefix in fault \"{word}\"; allowed are submit:, poll: and media:")]
    UnknownPrefix {
        /// As it was written.
        word: String,
    },
    /// A prefix before a word that is about tasks.
    #[error("fault \"{word}\" is about a task, not about calls: it takes no prefix")]
    PrefixOfTask {
        /// As it was written.
        word: String,
    },
    /// Another prefix than `submit:` before a word that is about submits.
    #[error("fault \"{word}\" is about submits, no other calls")]
    PrefixOfSubmit {
        /// As it was written.
        word: String,
    },
    /// A value that is not a share.
    #[error("fault \"{word}\" needs a share between 0 and 1 after =, as in cut=0.3")]
    BadShare {
        /// As it was written.
        word: String,
    },
    /// A value that is not a duration.
    #[error("fault \"{word}\" needs a duration of at most a day after =, as in 2s or 250ms")]
    BadDuration {
        /// As it was written.
        word: String,
    },
}

/// A kind of call, as prefixes name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Submit,
    Poll,
    Media,
}

impl CallKind {
    /// As prefixes and counters name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Poll => "poll",
            Self::Media => "media",
        }
    }
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallFault {
    Error,
    #[serde(rename = "429")]
    TooMany,
    Hang,
    Cut,
    Garbage,
    Reuse,
}

impl CallFault {
    /// The word of the grammar.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::TooMany => "429",
            Self::Hang => "hang",
            Self::Cut => "cut",
            Self::Garbage => "garbage",
            Self::Reuse => "reuse",
        }
    }
}

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Succeed,
    Fail,
    Policy,
    Never,
}

/// What the dice said of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallPlan {
    pub(crate) wait: Duration,
    pub(crate) fault: Option<CallFault>,
}

/// What the dice said of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskPlan {
    pub(crate) fate: Fate,
    /// In place of the usual time.
    pub(crate) generation: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Wait { on: &'static [CallKind], wait: Duration },
    Call { on: &'static [CallKind], fault: CallFault, share: f64 },
    Slow { generation: Duration },
    Task { fate: Fate, share: f64 },
    NoCallback { share: f64 },
}

impl FromStr for Faults {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Self::parse(text, &[CallKind::Submit, CallKind::Poll])
    }
}

impl Faults {
    /// The faults that `[sandbox:...]` in a prompt asks for.
    pub(crate) fn of_prompt(prompt: &str) -> Result<Self, FaultError> {
        let mut rules = Vec::new();
        for tail in prompt.split("[sandbox:").skip(1) {
            let (words, _) = tail.split_once(']').unwrap_or((tail, ""));
            rules.extend(Self::parse(words, &[CallKind::Submit])?.0);
        }
        Ok(Self(rules))
    }

    /// These, then those.
    #[must_use]
    pub(crate) fn then(mut self, those: &Self) -> Self {
        self.0.extend_from_slice(&those.0);
        self
    }

    /// What happens to one call. `dice` gives numbers in `0.0..1.0`.
    pub(crate) fn plan_call(&self, kind: CallKind, mut dice: impl FnMut() -> f64) -> CallPlan {
        let mut plan = CallPlan { wait: Duration::ZERO, fault: None };
        for rule in &self.0 {
            match *rule {
                Rule::Wait { on, wait } if on.contains(&kind) => plan.wait += wait,
                Rule::Call { on, fault, share } if on.contains(&kind) && dice() < share => {
                    plan.fault = plan.fault.or(Some(fault));
                }
                _ => {}
            }
        }
        plan
    }

    /// Whether a task's end is told of. `dice` gives numbers in `0.0..1.0`.
    pub(crate) fn plan_callback(&self, mut dice: impl FnMut() -> f64) -> bool {
        let is_off = |rule: &Rule| matches!(*rule, Rule::NoCallback { share } if dice() < share);
        !self.0.iter().any(is_off)
    }

    /// What becomes of one task. `dice` gives numbers in `0.0..1.0`.
    pub(crate) fn plan_task(&self, mut dice: impl FnMut() -> f64) -> TaskPlan {
        let (mut fate, mut slow) = (None, None);
        for rule in &self.0 {
            match *rule {
                Rule::Slow { generation } => slow = slow.or(Some(generation)),
                Rule::Task { fate: next, share } if dice() < share => fate = fate.or(Some(next)),
                _ => {}
            }
        }
        TaskPlan { fate: fate.unwrap_or(Fate::Succeed), generation: slow }
    }

    fn parse(text: &str, without_prefix: &'static [CallKind]) -> Result<Self, FaultError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',')
            .map(|word| parse_rule(word.trim(), without_prefix))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse_rule(word: &str, without_prefix: &'static [CallKind]) -> Result<Rule, FaultError> {
    if let Some(rest) = word.strip_prefix("callback:") {
        return parse_callback(rest, word);
    }
    let (prefix, rest) = match word.split_once(':') {
        Some((prefix, rest)) => (Some(parse_prefix(prefix, word)?), rest),
        None => (None, word),
    };
    let (name, value) = name_and_value(rest);
    let on = prefix.unwrap_or(without_prefix);
    let call = |fault| Ok(Rule::Call { on, fault, share: parse_share(value, word)? });
    let task = |fate| match prefix {
        Some(_) => Err(FaultError::PrefixOfTask { word: word.to_owned() }),
        None => Ok(Rule::Task { fate, share: parse_share(value, word)? }),
    };
    match name {
        "latency" => Ok(Rule::Wait { on, wait: parse_duration(value, word)? }),
        "error" => call(CallFault::Error),
        "429" => call(CallFault::TooMany),
        "hang" => call(CallFault::Hang),
        "cut" => call(CallFault::Cut),
        "garbage" => call(CallFault::Garbage),
        "reuse" if prefix.is_some_and(|on| on != ON_SUBMIT) => {
            Err(FaultError::PrefixOfSubmit { word: word.to_owned() })
        }
        "reuse" => {
            Ok(Rule::Call { on: ON_SUBMIT, fault: CallFault::Reuse, share: parse_share(value, word)? })
        }
        "never" => task(Fate::Never),
        "fail" => task(Fate::Fail),
        "policy" => task(Fate::Policy),
        "slow" if prefix.is_some() => Err(FaultError::PrefixOfTask { word: word.to_owned() }),
        "slow" => Ok(Rule::Slow { generation: parse_duration(value, word)? }),
        _ => Err(FaultError::UnknownWord { word: word.to_owned() }),
    }
}

/// A word behind `callback:`.
fn parse_callback(rest: &str, word: &str) -> Result<Rule, FaultError> {
    match name_and_value(rest) {
        ("off", value) => Ok(Rule::NoCallback { share: parse_share(value, word)? }),
        _ => Err(FaultError::UnknownWord { word: word.to_owned() }),
    }
}

fn name_and_value(text: &str) -> (&str, Option<&str>) {
    text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)))
}

fn parse_prefix(prefix: &str, word: &str) -> Result<&'static [CallKind], FaultError> {
    match prefix {
        "submit" => Ok(ON_SUBMIT),
        "poll" => Ok(&[CallKind::Poll]),
        "media" => Ok(&[CallKind::Media]),
        _ => Err(FaultError::UnknownPrefix { word: word.to_owned() }),
    }
}

fn parse_share(value: Option<&str>, word: &str) -> Result<f64, FaultError> {
    let Some(value) = value else { return Ok(1.0) };
    let share = value.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| FaultError::BadShare { word: word.to_owned() })
}

fn parse_duration(value: Option<&str>, word: &str) -> Result<Duration, FaultError> {
    let read = |value: &str| {
        let (number, unit) = match value.strip_suffix("ms") {
            Some(number) => (number, 0.001),
            None => (value.strip_suffix('s')?, 1.0),
        };
        let duration = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()?;
        (duration <= DURATION_MAX).then_some(duration)
    };
    value.and_then(read).ok_or_else(|| FaultError::BadDuration { word: word.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        text.parse().unwrap()
    }

    fn refused(text: &str) -> String {
        text.parse::<Faults>().unwrap_err().to_string()
    }

    fn call(faults: &Faults, kind: CallKind, dice: f64) -> Option<CallFault> {
        faults.plan_call(kind, || dice).fault
    }

    #[test]
    fn words_combine_by_commas() {
        let faults = faults("latency=2s, error=0.1,never=0.5");
        let unlucky = faults.plan_call(CallKind::Submit, || 0.05);
        assert_eq!(unlucky, CallPlan { wait: Duration::from_secs(2), fault: Some(CallFault::Error) });
        let lucky = faults.plan_call(CallKind::Poll, || 0.1);
        assert_eq!(lucky, CallPlan { wait: Duration::from_secs(2), fault: None });
        assert_eq!(faults.plan_task(|| 0.49).fate, Fate::Never);
        assert_eq!(faults.plan_task(|| 0.5).fate, Fate::Succeed);
    }

    #[test]
    fn nothing_goes_wrong_without_words() {
        assert_eq!(faults(""), Faults::default());
        assert_eq!(call(&faults(" "), CallKind::Submit, 0.0), None);
        assert_eq!(faults("").plan_task(|| 0.0), TaskPlan { fate: Fate::Succeed, generation: None });
    }

    #[test]
    fn a_prefix_says_which_calls() {
        assert_eq!(call(&faults("poll:cut"), CallKind::Submit, 0.0), None);
        assert_eq!(call(&faults("poll:cut"), CallKind::Poll, 0.0), Some(CallFault::Cut));
        assert_eq!(call(&faults("media:garbage=0.5"), CallKind::Media, 0.4), Some(CallFault::Garbage));
        for kind in [CallKind::Submit, CallKind::Poll] {
            assert_eq!(call(&faults("hang"), kind, 0.999), Some(CallFault::Hang));
        }
        assert_eq!(call(&faults("hang"), CallKind::Media, 0.0), None);
    }

    #[test]
    fn the_first_word_that_falls_wins() {
        let faults = faults("429=0.2,error=0.6");
        assert_eq!(call(&faults, CallKind::Submit, 0.1), Some(CallFault::TooMany));
        assert_eq!(call(&faults, CallKind::Submit, 0.5), Some(CallFault::Error));
        assert_eq!(call(&faults, CallKind::Submit, 0.6), None);
    }

    #[test]
    fn a_share_of_nought_never_falls() {
        assert_eq!(call(&faults("cut=0"), CallKind::Submit, 0.0), None);
    }

    #[test]
    fn an_id_is_reused_in_answers_to_submits_alone() {
        for text in ["reuse", "submit:reuse", "reuse=0.5"] {
            assert_eq!(call(&faults(text), CallKind::Submit, 0.4), Some(CallFault::Reuse), "{text}");
            assert_eq!(call(&faults(text), CallKind::Poll, 0.0), None, "{text}");
        }
    }

    #[test]
    fn an_end_is_told_of_unless_callbacks_are_off() {
        assert!(faults("cut,never").plan_callback(|| 0.0));
        assert!(!faults("callback:off").plan_callback(|| 0.999));
        assert!(!faults("callback:off=0.5").plan_callback(|| 0.4));
        assert!(faults("callback:off=0.5").plan_callback(|| 0.5));
        assert!(!Faults::of_prompt("[sandbox:callback:off]").unwrap().plan_callback(|| 0.0));
    }

    #[test]
    fn durations_have_a_unit() {
        let wait = |text| faults(text).plan_call(CallKind::Submit, || 0.0).wait;
        assert_eq!(wait("latency=250ms"), Duration::from_millis(250));
        assert_eq!(wait("submit:latency=1.5s"), Duration::from_millis(1500));
        for text in ["latency", "latency=2", "latency=-1s", "latency=NaNs", "latency=2h", "slow=90000s"] {
            assert!(refused(text).starts_with(&format!("fault \"{text}\" needs a duration")), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_word_and_what_is_allowed() {
        let text = refused("cut,explode=0.1");
        assert!(
            text.starts_with("unknown fault \"explode=0.1\"; allowed are latency=2s, error, 429,"),
            "{text}"
        );
        assert!(refused("cut,").starts_with("unknown fault \"\""));
        assert_eq!(
            refused("upload:cut"),
            "unknown prefix in fault \"upload:cut\"; allowed are submit:, poll: and media:"
        );
        assert_eq!(
            refused("cut=1.5"),
            "fault \"cut=1.5\" needs a share between 0 and 1 after =, as in cut=0.3"
        );
        assert!(refused("error=lots").contains("\"error=lots\" needs a share"));
        assert!(refused("poll:never").contains("\"poll:never\" is about a task"));
        assert!(refused("callback:cut").starts_with("unknown fault \"callback:cut\"; allowed are"));
        assert_eq!(refused("poll:reuse"), "fault \"poll:reuse\" is about submits, no other calls");
        assert!(refused("submit:slow=1s").contains("\"submit:slow=1s\" is about a task"));
    }

    #[test]
    fn a_prompt_asks_for_its_own_task() {
        let faults =
            Faults::of_prompt("a cat [sandbox:slow=10s,cut] at sea [sandbox:poll:error] [sandbox:fail]")
                .unwrap();
        assert_eq!(call(&faults, CallKind::Submit, 0.5), Some(CallFault::Cut));
        assert_eq!(call(&faults, CallKind::Poll, 0.5), Some(CallFault::Error));
        let plan = faults.plan_task(|| 0.5);
        assert_eq!(plan, TaskPlan { fate: Fate::Fail, generation: Some(Duration::from_secs(10)) });
        assert_eq!(Faults::of_prompt("a [plain] cat").unwrap(), Faults::default());
        assert!(Faults::of_prompt("[sandbox:explode]").is_err());
    }

    #[test]
    fn a_prompt_comes_before_the_general_words() {
        let both = Faults::of_prompt("[sandbox:fail]").unwrap().then(&faults("never,slow=1s"));
        assert_eq!(both.plan_task(|| 0.0).fate, Fate::Fail);
    }
}
