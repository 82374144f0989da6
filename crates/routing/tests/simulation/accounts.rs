//! Five accounts: what becomes of submissions to them, and that nobody uses one that is to be left alone.

use std::time::Duration;

use domain::Timestamp;
use routing::{AccountHealth, Begun, Change, Condition, HealthSettings, OutReason, Reason, Standing, Word};

/// How many there are.
pub(crate) const ACCOUNTS: usize = 5;
/// Of a hundred accounts, how many may be left alone because they fail.
pub(crate) const EJECTED_PERCENT_MAX: u8 = 50;
/// The same of five.
const EJECTED_MAX: usize = 2;
const SETTINGS: HealthSettings = HealthSettings {
    failures_max: 5,
    window: Duration::from_secs(30),
    eject_for: Duration::from_secs(10),
    eject_for_max: Duration::from_secs(60),
    probes_max: 1,
    ejected_percent_max: EJECTED_PERCENT_MAX,
    out_for: Duration::from_secs(30),
    slow_start: Duration::from_secs(20),
};

/// What becomes of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is taken.
    Taken,
    /// It cannot be sent.
    Unreachable,
    /// It is sent, and its answer is lost.
    Unanswered,
    /// It is refused: nothing is wrong with it, but with us.
    Refused(OutReason),
    /// It is refused for now.
    Busy,
}

impl Answer {
    /// What `account` makes of a submission in that second; `chance` is from 0 to 99. Each has every kind of trouble, one
    /// after the other and seldom at the same time; now and then three are away together, and now and then all.
    pub(crate) fn in_bad_weather(account: usize, second: i64, chance: u64) -> Self {
        match (account, second % 5000) {
            (0..=2, 4850..4900) | (_, 4950..4970) => return Self::Unreachable,
            _ => {}
        }
        let own = second - 170 * account as i64;
        match own.div_euclid(1000).rem_euclid(5) {
            _ if own.rem_euclid(1000) >= 100 => Self::Taken,
            0 => Self::Unreachable,
            1 if chance < 50 => Self::Unanswered,
            1 => Self::Taken,
            2 => Self::Refused(OutReason::Credential),
            3 => Self::Refused(OutReason::Money),
            _ => Self::Busy,
        }
    }

    fn word(self) -> Word {
        match self {
            Self::Taken => Word::Succeeded,
            Self::Unreachable | Self::Unanswered => Word::Failed,
            Self::Refused(reason) => Word::Refused(reason),
            Self::Busy => Word::Busy { retry_after: Some(Duration::from_secs(5)) },
        }
    }
}

/// How often things happened that the simulation is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ejected: u64,
    pub(crate) out: u64,
    pub(crate) paused: u64,
    pub(crate) readmitted: u64,
    pub(crate) probes: u64,
    pub(crate) last_resorts: u64,
}

/// All accounts at a moment, and what a bystander knows of them.
#[derive(Default)]
pub(crate) struct Accounts {
    pub(crate) now: i64,
    pub(crate) seen: Seen,
    all: [Account; ACCOUNTS],
}

#[derive(Default)]
struct Account {
    health: AccountHealth,
    /// By what it said of itself: whether it is to be left alone.
    is_shut: bool,
    /// When the probes since then were made.
    probes: Vec<i64>,
}

impl Accounts {
    pub(crate) fn condition(&self, account: usize) -> Condition {
        let health = &self.all[account].health;
        let (standing, share) = (health.standing(self.now(), &SETTINGS), health.share(self.now(), &SETTINGS));
        Condition { standing, share, ..Condition::default() }
    }

    /// Begins a submission as it was planned, and holds that it may be made.
    pub(crate) fn begin(&mut self, account: usize, reason: &Reason) -> Option<Begun> {
        let (now, at) = (self.now(), self.now);
        let ejected =
            |one: &&Account| matches!(one.health.standing(now, &SETTINGS), Standing::Ejected { .. });
        let ejected = self.all.iter().filter(ejected).count();
        let one = &mut self.all[account];
        let begun = if reason.last_resort {
            assert!(ejected > EJECTED_MAX, "an ejected account is used, and only {ejected} are ejected");
            self.seen.last_resorts += 1;
            one.health.begin_last_resort(now, &SETTINGS)?
        } else {
            one.health.begin(now, &SETTINGS)?
        };
        if one.is_shut && !reason.last_resort {
            one.probes.retain(|probe| at - probe < SETTINGS.eject_for.as_millis() as i64);
            assert!(one.probes.is_empty(), "an account that is left alone is probed by one at a time");
            one.probes.push(at);
            self.seen.probes += 1;
        }
        Some(begun)
    }

    /// Lets the account know what became of a submission.
    pub(crate) fn heard(&mut self, account: usize, begun: Begun, answer: Answer) {
        let now = self.now();
        let one = &mut self.all[account];
        let change = one.health.heard(Some(begun), answer.word(), now, &SETTINGS);
        match change {
            Some(Change::Ejected { .. }) => self.seen.ejected += 1,
            Some(Change::Out { .. }) => self.seen.out += 1,
            Some(Change::Paused { .. }) => self.seen.paused += 1,
            Some(Change::Readmitted) => self.seen.readmitted += 1,
            None => {}
        }
        match change {
            Some(Change::Ejected { .. } | Change::Out { .. }) => one.is_shut = true,
            Some(Change::Readmitted) => one.is_shut = false,
            Some(Change::Paused { .. }) | None => {}
        }
        if answer != Answer::Busy || !one.is_shut {
            one.probes.clear();
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }
}
