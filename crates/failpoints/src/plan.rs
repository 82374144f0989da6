//! What the environment asks for.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::names::{MECHANISMS, POINTS, is_known};
use crate::{CRASH_AT, PANIC_ON, STOP_AT, WITHOUT};

/// The variables, understood.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    crash: Option<Pass>,
    stop: Option<Pass>,
    without: Vec<String>,
    panic_on: Option<String>,
}

/// A point and how many passes are left.
#[derive(Debug)]
struct Pass {
    point: String,
    passes_left: AtomicU64,
}

impl Pass {
    /// Reads what the variable of that name says.
    fn read(name: &str, text: &str) -> Result<Self, String> {
        let (point, passes) = text.split_once('=').unwrap_or((text, "1"));
        if !is_known(POINTS, point) {
            return Err(format!("{name}: there is no point {point}"));
        }
        let passes = passes.parse().ok().filter(|passes| *passes > 0);
        let passes = passes.ok_or_else(|| format!("{name}: {text}: the pass must be a number from 1"))?;
        Ok(Self { point: point.to_owned(), passes_left: AtomicU64::new(passes) })
    }

    /// Counts a pass of `point`; whether it is this one.
    fn is_now(&self, point: &str) -> bool {
        self.point == point && self.passes_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Plan {
    /// Reads the variables; in words what is wrong with them.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let crash = variable(CRASH_AT).map(|text| Pass::read(CRASH_AT, &text)).transpose()?;
        let stop = variable(STOP_AT).map(|text| Pass::read(STOP_AT, &text)).transpose()?;
        let without = variable(WITHOUT).map(|text| without(&text)).transpose()?.unwrap_or_default();
        let panic_on = variable(PANIC_ON).filter(|text| !text.is_empty());
        Ok(Self { crash, stop, without, panic_on })
    }

    /// Counts a pass; whether it is the one to crash at.
    pub(crate) fn crashes_at(&self, point: &str) -> bool {
        self.crash.as_ref().is_some_and(|crash| crash.is_now(point))
    }

    /// Counts a pass; whether it is the one to stop at.
    pub(crate) fn stops_at(&self, point: &str) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_now(point))
    }

    pub(crate) fn is_without(&self, mechanism: &str) -> bool {
        self.without.iter().any(|name| name == mechanism)
    }

    pub(crate) fn panics_on(&self, text: &str) -> bool {
        self.panic_on.as_ref().is_some_and(|marker| text.contains(marker))
    }
}

fn without(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match names.iter().find(|name| !is_known(MECHANISMS, name)) {
        Some(name) => Err(format!("{WITHOUT}: there is no mechanism {name}")),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Plan, String> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Plan::read(|name| value(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_armed_by_itself() {
        let plan = read(&[]).unwrap();
        assert!(!plan.crashes_at("intent_stored"));
        assert!(!plan.is_without("spool"));
        assert!(!plan.panics_on("anything"));
    }

    #[test]
    fn a_crash_comes_once_at_the_pass_that_is_named() {
        let plan = read(&[(CRASH_AT, "intent_stored=2")]).unwrap();
        let passes = ["intent_stored", "claimed", "intent_stored", "intent_stored"];
        assert_eq!(passes.map(|point| plan.crashes_at(point)), [false, false, true, false]);
        assert!(read(&[(CRASH_AT, "claimed")]).unwrap().crashes_at("claimed"));
        let stopping = read(&[(STOP_AT, "claimed")]).unwrap();
        assert!(!stopping.crashes_at("claimed") && stopping.stops_at("claimed"));
    }

    #[test]
    fn mechanisms_are_taken_away_by_name() {
        let plan = read(&[(WITHOUT, "spool,inbox")]).unwrap();
        assert!(plan.is_without("spool") && plan.is_without("inbox") && !plan.is_without("quarantine"));
    }

    #[test]
    fn a_marker_in_the_text_is_poison_and_an_empty_one_is_none() {
        let plan = read(&[(PANIC_ON, "poison")]).unwrap();
        assert!(plan.panics_on("some poison here") && !plan.panics_on("a cat"));
        assert!(!read(&[(PANIC_ON, "")]).unwrap().panics_on("a cat"));
    }

    #[test]
    fn what_is_not_in_the_tables_is_an_error() {
        for (variables, said) in [
            ((CRASH_AT, "intent_store"), "no point intent_store"),
            ((CRASH_AT, "claimed=0"), "number from 1"),
            ((CRASH_AT, "claimed=x"), "number from 1"),
            ((CRASH_AT, ""), "no point "),
            ((STOP_AT, "claimed=0"), "number from 1"),
            ((WITHOUT, "spool,seatbelt"), "no mechanism seatbelt"),
        ] {
            let error = read(&[variables]).unwrap_err();
            assert!(error.contains(said), "{variables:?}: {error}");
        }
    }
}
