//! When an account is left alone, and when it is tried again.

use std::time::Duration;

use domain::Timestamp;
use proptest::prelude::*;
use routing::{AccountHealth, Begun, Change, HealthSettings, OutReason, Standing, Word};

const SETTINGS: HealthSettings = HealthSettings {
    failures_max: 3,
    window: Duration::from_secs(30),
    eject_for: Duration::from_secs(10),
    eject_for_max: Duration::from_secs(60),
    probes_max: 1,
    ejected_percent_max: 50,
    out_for: Duration::from_secs(300),
    slow_start: Duration::from_secs(60),
};
const BUSY: Word = Word::Busy { retry_after: None };
/// The longest that an upstream may ask us to wait, and a little more.
const PAUSE_MAX_S: i64 = 3601;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// An account, and the second in which it is.
struct Stage {
    health: AccountHealth,
    second: i64,
}

impl Stage {
    fn new() -> Self {
        Self { health: AccountHealth::default(), second: 0 }
    }

    /// One that failed as often as it may.
    fn ejected() -> Self {
        let mut stage = Self::new();
        let last = (0..SETTINGS.failures_max).filter_map(|_| stage.submit(Word::Failed)).last();
        assert_eq!(last, Some(Change::Ejected { until: at(10) }));
        stage
    }

    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.second += seconds;
        self
    }

    fn standing(&self) -> Standing {
        self.health.standing(at(self.second), &SETTINGS)
    }

    fn share(&self) -> f64 {
        self.health.share(at(self.second), &SETTINGS)
    }

    fn begin(&mut self) -> Option<Begun> {
        self.health.begin(at(self.second), &SETTINGS)
    }

    fn heard(&mut self, begun: Option<Begun>, word: Word) -> Option<Change> {
        self.health.heard(begun, word, at(self.second), &SETTINGS)
    }

    fn submit(&mut self, word: Word) -> Option<Change> {
        let begun = self.begin();
        assert!(begun.is_some(), "it takes submissions");
        self.heard(begun, word)
    }
}

#[test]
fn failures_eject_only_if_they_come_within_the_window() {
    let mut stage = Stage::new();
    for _ in 0..20 {
        assert_eq!(stage.wait(15).submit(Word::Failed), None, "never three within 30 s");
    }
    assert_eq!(stage.standing(), Standing::Ready);
    assert_eq!(Stage::ejected().standing(), Standing::Ejected { until: at(10) });
    assert_eq!(Stage::ejected().begin(), None);
}

#[test]
fn one_probe_at_a_time_finds_out_whether_it_works_again() {
    let mut stage = Stage::ejected();
    assert_eq!(stage.wait(10).standing(), Standing::Probe);
    let probe = stage.begin();
    assert!(probe.is_some());
    assert_eq!(stage.standing(), Standing::Ejected { until: at(20) }, "it is being probed");
    assert_eq!(stage.begin(), None);
    assert_eq!(stage.heard(probe, Word::Succeeded), Some(Change::Readmitted));
    assert_eq!(stage.standing(), Standing::Ready);
}

#[test]
fn each_ejection_in_a_row_lasts_twice_as_long_up_to_a_bound() {
    let mut stage = Stage::ejected();
    let mut wait = 10;
    for expected in [20, 40, 60, 60] {
        let until = at(stage.second + wait + expected);
        assert_eq!(stage.wait(wait).submit(Word::Failed), Some(Change::Ejected { until }));
        wait = expected;
    }
    assert_eq!(stage.wait(wait).submit(Word::Succeeded), Some(Change::Readmitted));
    // Before it has recovered for good the row goes on, afterwards it begins anew.
    let mut soon = Stage { health: stage.health.clone(), second: stage.second + 59 };
    let again = (0..3).filter_map(|_| soon.submit(Word::Failed)).last();
    assert_eq!(again, Some(Change::Ejected { until: at(soon.second + 60) }));
    stage.wait(60);
    let anew = (0..3).filter_map(|_| stage.submit(Word::Failed)).last();
    assert_eq!(anew, Some(Change::Ejected { until: at(stage.second + 10) }));
}

#[test]
fn who_has_recovered_gets_its_share_back_little_by_little() {
    let mut stage = Stage::ejected();
    assert_eq!(stage.wait(10).share(), 1.0, "the probe itself must not be held back");
    stage.submit(Word::Succeeded);
    let shares: Vec<f64> = [0, 20, 20, 19, 1].map(|seconds| stage.wait(seconds).share()).into();
    assert!(shares.is_sorted() && shares[0] > 0.0 && shares[3] < 1.0, "{shares:?}");
    assert_eq!(shares[4], 1.0);
}

#[test]
fn a_probe_that_is_never_answered_keeps_no_other_from_being_made() {
    let mut stage = Stage::ejected();
    let lost = stage.wait(10).begin();
    assert!(lost.is_some());
    assert_eq!(stage.wait(9).begin(), None);
    let second = stage.wait(1).begin();
    assert!(second.is_some());
    assert_eq!(stage.begin(), None);
    assert_eq!(stage.heard(second, Word::Neutral), None, "that told nothing");
    assert_eq!(stage.standing(), Standing::Probe);
    let third = stage.begin().expect("the second is done");
    stage.health.abandon(third);
    assert_eq!(stage.standing(), Standing::Probe);
}

#[test]
fn what_was_begun_before_it_was_ejected_says_nothing_of_how_it_does_now() {
    let mut stage = Stage::new();
    let early = [stage.begin(), stage.begin()];
    let ejected = (0..3).filter_map(|_| stage.submit(Word::Failed)).last();
    assert_eq!(ejected, Some(Change::Ejected { until: at(10) }));
    assert_eq!(stage.heard(early[0], Word::Succeeded), None);
    stage.wait(10);
    let probe = stage.begin();
    assert_eq!(stage.heard(early[1], Word::Failed), None, "it is not the probe that failed");
    assert_eq!(stage.heard(probe, Word::Succeeded), Some(Change::Readmitted));
}

#[test]
fn the_last_resort_may_be_used_and_readmits_but_is_not_ejected_for_longer() {
    let mut stage = Stage::ejected();
    let begun = stage.health.begin_last_resort(at(1), &SETTINGS);
    assert!(begun.is_some());
    assert_eq!(stage.heard(begun, Word::Failed), None);
    assert_eq!(stage.standing(), Standing::Ejected { until: at(10) });
    let begun = stage.health.begin_last_resort(at(2), &SETTINGS);
    assert_eq!(stage.heard(begun, Word::Succeeded), Some(Change::Readmitted));
    let until = at(300);
    assert_eq!(
        stage.submit(Word::Refused(OutReason::Money)),
        Some(Change::Out { reason: OutReason::Money, until })
    );
    assert_eq!(stage.health.begin_last_resort(at(3), &SETTINGS), None, "it would refuse us again");
}

#[test]
fn who_refuses_us_is_asked_again_once_after_a_while() {
    let mut stage = Stage::new();
    let reason = OutReason::Credential;
    let together = [stage.begin(), stage.begin()];
    let out = Some(Change::Out { reason, until: at(300) });
    assert_eq!(stage.heard(together[0], Word::Refused(reason)), out);
    assert_eq!(stage.wait(1).heard(together[1], Word::Refused(reason)), None, "that is known");
    assert_eq!(stage.standing(), Standing::Out { reason, until: at(300) });
    assert_eq!(stage.wait(299).standing(), Standing::Probe);
    assert_eq!(stage.submit(Word::Refused(reason)), Some(Change::Out { reason, until: at(600) }));
    assert_eq!(stage.wait(300).submit(Word::Succeeded), Some(Change::Readmitted));
}

#[test]
fn a_poll_can_shut_an_account_but_not_readmit_it() {
    let mut stage = Stage::new();
    let last = (0..3).filter_map(|_| stage.heard(None, Word::Failed)).last();
    assert_eq!(last, Some(Change::Ejected { until: at(10) }));
    assert_eq!(stage.wait(10).heard(None, Word::Succeeded), None);
    assert_eq!(stage.heard(None, Word::Failed), None);
    assert_eq!(stage.standing(), Standing::Probe);
}

#[test]
fn who_is_busy_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
    let mut stage = Stage::new();
    let seconds = |seconds| Word::Busy { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(stage.submit(seconds(30)), Some(Change::Paused { until: at(30) }));
    assert_eq!(stage.heard(None, seconds(5)), None, "it is paused, and no shorter");
    assert_eq!(stage.wait(29).standing(), Standing::Paused { until: at(30) });
    assert_eq!(stage.health.begin_last_resort(at(29), &SETTINGS), None);
    assert_eq!(stage.wait(1).standing(), Standing::Ready);
    assert_eq!(stage.submit(BUSY), Some(Change::Paused { until: at(31) }));
    stage.wait(1).submit(seconds(u64::MAX));
    assert_eq!(stage.wait(3600).standing(), Standing::Ready);
}

#[test]
fn who_is_drained_takes_nothing_until_that_is_taken_back() {
    let mut stage = Stage::new();
    stage.health.set_drained(true);
    assert_eq!((stage.standing(), stage.begin()), (Standing::Drained, None));
    stage.health.set_drained(false);
    assert!(stage.begin().is_some());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(i64),
    Begin,
    BeginLastResort,
    /// What one of the submissions under way told.
    Hear(prop::sample::Index, Word),
    HearPoll(Word),
    Abandon(prop::sample::Index),
}

fn word() -> impl Strategy<Value = Word> {
    let busy =
        prop::option::of(0u64..5000).prop_map(|s| Word::Busy { retry_after: s.map(Duration::from_secs) });
    prop_oneof![
        4 => Just(Word::Succeeded),
        6 => Just(Word::Failed),
        1 => Just(Word::Refused(OutReason::Credential)),
        1 => Just(Word::Refused(OutReason::Money)),
        1 => busy,
        1 => Just(Word::Neutral),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0i64..40).prop_map(Step::Wait),
        6 => Just(Step::Begin),
        1 => Just(Step::BeginLastResort),
        6 => (any::<prop::sample::Index>(), word()).prop_map(|(index, word)| Step::Hear(index, word)),
        1 => word().prop_map(Step::HearPoll),
        1 => any::<prop::sample::Index>().prop_map(Step::Abandon),
    ]
}

/// What somebody knows who only watches.
#[derive(Default)]
struct Watch {
    /// Submissions under way: when they were begun, and whether as a probe.
    under_way: Vec<(Begun, i64, bool)>,
    /// When failures were told.
    failures: Vec<i64>,
}

impl Watch {
    fn take(&mut self, index: prop::sample::Index) -> Option<(Begun, i64, bool)> {
        (!self.under_way.is_empty()).then(|| self.under_way.swap_remove(index.index(self.under_way.len())))
    }

    fn probes_awaited(&self, now: i64) -> usize {
        let awaited = |(_, begun, is_probe): &&(Begun, i64, bool)| *is_probe && now - begun < 10;
        self.under_way.iter().filter(awaited).count()
    }
}

fn check_begin(stage: &mut Stage, watch: &mut Watch) -> Result<(), TestCaseError> {
    let standing = stage.standing();
    let begun = stage.begin();
    let takes = matches!(standing, Standing::Ready | Standing::Probe);
    prop_assert_eq!(begun.is_some(), takes, "{:?}", standing);
    let is_probe = standing == Standing::Probe;
    watch.under_way.extend(begun.map(|begun| (begun, stage.second, is_probe)));
    Ok(())
}

fn check_change(change: Option<Change>, stage: &Stage, watch: &Watch) -> Result<(), TestCaseError> {
    let now = stage.second;
    match change {
        Some(Change::Ejected { until }) => {
            prop_assert!(until > at(now) && until <= at(now + 60));
            prop_assert!(stage.health.clone().begin(at(now), &SETTINGS).is_none());
            let recent = watch.failures.iter().filter(|failed| now - **failed < 30).count();
            prop_assert!(recent >= 1);
        }
        Some(Change::Out { until, .. }) => prop_assert_eq!(until, at(now + 300)),
        Some(Change::Paused { until }) => prop_assert!(until <= at(now + 3600)),
        Some(Change::Readmitted) => {
            let standing = stage.standing();
            let is_back = matches!(standing, Standing::Ready | Standing::Paused { .. });
            prop_assert!(is_back, "{standing:?}");
            prop_assert!(stage.share() < 1.0);
        }
        None => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_it_hears_it_is_probed_by_one_at_a_time_and_never_shut_for_ever(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut stage = Stage::new();
        let mut watch = Watch::default();
        for step in steps {
            match step {
                Step::Wait(seconds) => { stage.wait(seconds); }
                Step::Begin => check_begin(&mut stage, &mut watch)?,
                Step::BeginLastResort => {
                    let standing = stage.standing();
                    let begun = stage.health.begin_last_resort(at(stage.second), &SETTINGS);
                    let takes = !matches!(standing, Standing::Out { .. } | Standing::Paused { .. });
                    prop_assert_eq!(begun.is_some(), takes);
                    let is_probe = standing == Standing::Probe;
                    watch.under_way.extend(begun.map(|begun| (begun, stage.second, is_probe)));
                }
                Step::Hear(index, word) => if let Some((begun, ..)) = watch.take(index) {
                    if word == Word::Failed { watch.failures.push(stage.second); }
                    let change = stage.heard(Some(begun), word);
                    check_change(change, &stage, &watch)?;
                },
                Step::HearPoll(word) => {
                    if word == Word::Failed { watch.failures.push(stage.second); }
                    let change = stage.heard(None, word);
                    prop_assert!(change != Some(Change::Readmitted));
                    check_change(change, &stage, &watch)?;
                }
                Step::Abandon(index) => if let Some((begun, ..)) = watch.take(index) {
                    let before = stage.standing();
                    stage.health.abandon(begun);
                    let after = stage.standing();
                    prop_assert!(before == after || after == Standing::Probe, "{before:?} {after:?}");
                },
            }
            prop_assert!(stage.share() > 0.0 && stage.share() <= 1.0);
            prop_assert!(watch.probes_awaited(stage.second) <= 1);
        }
        stage.wait(PAUSE_MAX_S);
        prop_assert!(matches!(stage.standing(), Standing::Ready | Standing::Probe));
        prop_assert!(stage.begin().is_some());
    }

    #[test]
    fn fewer_failures_than_it_may_have_never_eject_it(gaps in prop::collection::vec(0i64..60, 1..60)) {
        let mut stage = Stage::new();
        let mut failures: Vec<i64> = Vec::new();
        for gap in gaps {
            stage.wait(gap);
            let recent = failures.iter().filter(|failed| stage.second - **failed < 30).count() + 1;
            failures.push(stage.second);
            let ejected = stage.submit(Word::Failed).is_some();
            prop_assert_eq!(ejected, recent >= 3);
            if ejected { break; }
        }
    }
}
