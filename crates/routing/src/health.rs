//! How an account does: when it is left alone, and when it is tried again.

use std::collections::VecDeque;
use std::time::Duration;

use domain::Timestamp;

use crate::condition::{OutReason, Standing};

/// When accounts are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthSettings {
    /// Failures within the window that eject an account.
    pub failures_max: u32,
    /// How long a failure counts.
    pub window: Duration,
    /// How long an ejected account is left alone at first; doubles with each ejection in a row.
    pub eject_for: Duration,
    /// The longest that an account is left alone.
    pub eject_for_max: Duration,
    /// Submissions at one time that find out whether an ejected account works again.
    pub probes_max: u32,
    /// Of a hundred candidates for a request, how many may be ejected at one time; the others are tried last.
    pub ejected_percent_max: u8,
    /// How long an account is left alone that refused our credential or has no money.
    pub out_for: Duration,
    /// From an account's recovery until it gets its whole share of the work again.
    pub slow_start: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window: Duration::from_secs(30),
            eject_for: Duration::from_secs(30),
            eject_for_max: Duration::from_secs(600),
            probes_max: 1,
            ejected_percent_max: 50,
            out_for: Duration::from_secs(300),
            slow_start: Duration::from_secs(60),
        }
    }
}

/// The share of its usual work that an account gets at once when it has recovered; it grows evenly to all of it.
const SHARE_MIN: f64 = 0.1;
/// How long an account that is busy is left alone if it does not say, and the longest that it may ask for.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// What an answer told about its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It works: it took a submission.
    Succeeded,
    /// It does not: it could not be reached, it did not answer, or it answered with an error of its own (5xx).
    Failed,
    /// It does not take work from us (401, 402, 403).
    Refused(OutReason),
    /// It has too much to do (429).
    Busy {
        /// How long it wants to be left alone; absent if it did not say.
        retry_after: Option<Duration>,
    },
    /// Nothing: the request was at fault, or it was not sent for a reason of ours.
    Neutral,
}

/// A change that an operator wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has failed too often, or did not pass its probe.
    Ejected {
        /// When it may be probed.
        until: Timestamp,
    },
    /// It refused us.
    Out {
        /// Why.
        reason: OutReason,
        /// When it is asked again.
        until: Timestamp,
    },
    /// It asked us to wait.
    Paused {
        /// For how long.
        until: Timestamp,
    },
    /// It works again.
    Readmitted,
}

/// A submission that is being made. Whoever makes it hands this back with what it told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a probe that is not handed back keeps others from being made for a while"]
pub struct Begun {
    /// The era in which it was begun.
    era: u64,
    /// When it was begun, if it is a probe.
    probe: Option<Timestamp>,
}

/// How one account does. It reads no clock: moments come in and are expected in their order.
///
/// ```text
///          failures_max within the window, or a refusal            a probe fails
///   Taking ──────────────────────────────────────────► Shut ─────┐ or is refused
///     ▲                                                │  ▲      │
///     └────────────────────────────────────────────────┘  └──────┘
///       a submission that was begun while shut succeeds: slow start
/// ```
///
/// Every change between the two begins a new era. What was begun in an older one changes nothing any more, because it tells
/// how the account was then; only a refusal always counts.
#[derive(Debug, Clone, Default)]
pub struct AccountHealth {
    door: Door,
    era: u64,
    /// While it is busy.
    paused_until: Option<Timestamp>,
    drained: bool,
}

#[derive(Debug, Clone)]
enum Door {
    Taking {
        /// The failures within the window, oldest first; fewer than would shut it.
        failures: VecDeque<Timestamp>,
        recovery: Option<Recovery>,
    },
    Shut {
        cause: Cause,
        /// When it may be probed.
        until: Timestamp,
        /// Ejections in a row.
        ejections: u32,
        /// When the probes under way were begun.
        probes: Vec<Timestamp>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Recovery {
    at: Timestamp,
    /// How many ejections in a row came before.
    ejections: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Failures,
    Refusal(OutReason),
}

impl Default for Door {
    fn default() -> Self {
        Self::Taking { failures: VecDeque::new(), recovery: None }
    }
}

impl AccountHealth {
    /// Whether it takes submissions.
    pub fn standing(&self, now: Timestamp, settings: &HealthSettings) -> Standing {
        if self.drained {
            return Standing::Drained;
        }
        let paused = self.paused_until.filter(|until| now < *until);
        match (&self.door, paused) {
            (Door::Shut { cause: Cause::Refusal(reason), .. }, paused) => {
                match (self.shut_until(now, settings), paused) {
                    (Some(until), _) => Standing::Out { reason: *reason, until },
                    (None, Some(until)) => Standing::Paused { until },
                    (None, None) => Standing::Probe,
                }
            }
            // Before `Ejected`: who is ejected may be tried as a last resort, who asked us to wait may not.
            (_, Some(until)) => Standing::Paused { until },
            (Door::Taking { .. }, None) => Standing::Ready,
            (Door::Shut { .. }, None) => match self.shut_until(now, settings) {
                Some(until) => Standing::Ejected { until },
                None => Standing::Probe,
            },
        }
    }

    /// The part of its usual work that it should get, above 0 and at most 1: less than 1 for a while after it has recovered.
    pub fn share(&self, now: Timestamp, settings: &HealthSettings) -> f64 {
        let Door::Taking { recovery: Some(Recovery { at, .. }), .. } = self.door else { return 1.0 };
        let since = now.since(at);
        if since >= settings.slow_start {
            return 1.0;
        }
        SHARE_MIN + (1.0 - SHARE_MIN) * since.as_secs_f64() / settings.slow_start.as_secs_f64()
    }

    /// Begins a submission; one that finds out whether the account works again, if that is due. `None` if the account takes
    /// none: it may have changed since it was planned.
    pub fn begin(&mut self, now: Timestamp, settings: &HealthSettings) -> Option<Begun> {
        let probe = match self.standing(now, settings) {
            Standing::Ready => None,
            Standing::Probe => Some(now),
            Standing::Ejected { .. } | Standing::Out { .. } | Standing::Paused { .. } | Standing::Drained => {
                return None;
            }
        };
        if let (Some(at), Door::Shut { probes, .. }) = (probe, &mut self.door) {
            probes.retain(|begun| is_awaited(*begun, now, settings));
            probes.push(at);
        }
        Some(Begun { era: self.era, probe })
    }

    /// The same for a submission that is made although the account is ejected, because too many others are, too. It is a
    /// probe only where one is due, and if it fails, the account is not left alone for longer.
    pub fn begin_last_resort(&mut self, now: Timestamp, settings: &HealthSettings) -> Option<Begun> {
        match self.standing(now, settings) {
            Standing::Ejected { .. } => Some(Begun { era: self.era, probe: None }),
            _ => self.begin(now, settings),
        }
    }

    /// Takes back a submission that was not made after all.
    pub fn abandon(&mut self, begun: Begun) {
        if let (Some(at), Door::Shut { probes, .. }) = (begun.probe, &mut self.door)
            && begun.era == self.era
            && let Some(index) = probes.iter().position(|probe| *probe == at)
        {
            probes.swap_remove(index);
        }
    }

    /// Learns from an answer. `begun` is absent if it was none to a submission but to a poll, say: that never readmits.
    pub fn heard(
        &mut self,
        begun: Option<Begun>,
        word: Word,
        now: Timestamp,
        settings: &HealthSettings,
    ) -> Option<Change> {
        if let Some(begun) = begun {
            self.abandon(begun);
        }
        let is_current = begun.is_none_or(|begun| begun.era == self.era);
        let is_probe = is_current && begun.is_some_and(|begun| begun.probe.is_some());
        match word {
            Word::Succeeded if is_current && begun.is_some() => self.readmit(now),
            Word::Failed if is_probe => self.shut_again(now, settings),
            Word::Failed if is_current => self.failed(now, settings),
            Word::Refused(reason) => self.refused(reason, is_probe, (now, settings)),
            Word::Busy { retry_after } => self.pause(retry_after, now),
            Word::Succeeded | Word::Failed | Word::Neutral => None,
        }
    }

    /// Says whether the operator wants it to take no more.
    pub fn set_drained(&mut self, drained: bool) {
        self.drained = drained;
    }

    /// Until when it takes nothing; `None` if it may be probed now, or is not shut.
    fn shut_until(&self, now: Timestamp, settings: &HealthSettings) -> Option<Timestamp> {
        let Door::Shut { cause, until, probes, .. } = &self.door else { return None };
        if now < *until {
            return Some(*until);
        }
        let room = match cause {
            Cause::Failures => usize::try_from(settings.probes_max).unwrap_or(usize::MAX).max(1),
            Cause::Refusal(_) => 1,
        };
        let awaited = || probes.iter().filter(|begun| is_awaited(**begun, now, settings));
        let first = awaited().min().filter(|_| awaited().count() >= room);
        first.map(|begun| begun.plus(settings.eject_for))
    }

    fn failed(&mut self, now: Timestamp, settings: &HealthSettings) -> Option<Change> {
        let Door::Taking { failures, recovery } = &mut self.door else { return None };
        failures.retain(|failed| now.since(*failed) < settings.window);
        failures.push_back(now);
        if failures.len() < usize::try_from(settings.failures_max).unwrap_or(usize::MAX) {
            return None;
        }
        // Who has worked with its whole share has recovered for good.
        let in_a_row = recovery.filter(|recovery| now.since(recovery.at) < settings.slow_start);
        let ejections = in_a_row.map_or(0, |recovery| recovery.ejections);
        Some(self.eject(ejections, now, settings))
    }

    fn shut_again(&mut self, now: Timestamp, settings: &HealthSettings) -> Option<Change> {
        match self.door {
            Door::Taking { .. } => None,
            Door::Shut { cause: Cause::Failures, ejections, .. } => {
                Some(self.eject(ejections, now, settings))
            }
            // Whether it would still refuse us is not known.
            Door::Shut { cause: Cause::Refusal(reason), .. } => Some(self.put_out(reason, now, settings)),
        }
    }

    fn refused(
        &mut self,
        reason: OutReason,
        is_probe: bool,
        (now, settings): (Timestamp, &HealthSettings),
    ) -> Option<Change> {
        match self.door {
            // One of several that were under way when the first was refused.
            Door::Shut { cause: Cause::Refusal(_), .. } if !is_probe => None,
            _ => Some(self.put_out(reason, now, settings)),
        }
    }

    fn eject(&mut self, ejections_before: u32, now: Timestamp, settings: &HealthSettings) -> Change {
        let doubled = settings.eject_for.saturating_mul(2u32.saturating_pow(ejections_before));
        let until = now.plus(doubled.min(settings.eject_for_max));
        self.shut(Cause::Failures, until, ejections_before.saturating_add(1));
        Change::Ejected { until }
    }

    fn put_out(&mut self, reason: OutReason, now: Timestamp, settings: &HealthSettings) -> Change {
        let until = now.plus(settings.out_for);
        self.shut(Cause::Refusal(reason), until, 0);
        Change::Out { reason, until }
    }

    fn shut(&mut self, cause: Cause, until: Timestamp, ejections: u32) {
        self.era += 1;
        self.door = Door::Shut { cause, until, ejections, probes: Vec::new() };
    }

    fn readmit(&mut self, now: Timestamp) -> Option<Change> {
        let Door::Shut { ejections, .. } = self.door else { return None };
        self.era += 1;
        let recovery = Some(Recovery { at: now, ejections });
        self.door = Door::Taking { failures: VecDeque::new(), recovery };
        Some(Change::Readmitted)
    }

    fn pause(&mut self, retry_after: Option<Duration>, now: Timestamp) -> Option<Change> {
        let until = now.plus(retry_after.unwrap_or(PAUSE).min(PAUSE_MAX));
        let before = self.paused_until.filter(|before| now < *before);
        self.paused_until = before.max(Some(until));
        before.is_none().then_some(Change::Paused { until })
    }
}

/// Whether a probe may still be answered. One that never is must not keep others from being made.
fn is_awaited(begun: Timestamp, now: Timestamp, settings: &HealthSettings) -> bool {
    now.since(begun) < settings.eject_for
}
