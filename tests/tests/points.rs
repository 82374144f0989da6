//! The gateway crashes at every named point, three times each, with work of every kind under way; then everything comes
//! to its end, and the whole history is checked. One test for each point; run one alone by its name.

use std::time::Duration;

use tests::house::{Fate, House, LATE, Told, Wish};
use tests::{DEADLINE, Gateway};

/// How a gateway comes to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By what clients want.
    AtWork,
    /// By its start.
    AtStart,
    /// By its start after a death that met submissions on their way.
    AfterADeath,
    /// By a store that takes nothing when an upstream's id comes.
    WithoutAStore,
    /// By being told to stop.
    WhenTold,
}

macro_rules! points {
    ($($point:ident: $way:ident,)*) => {
        /// The points that have a test.
        const TESTED: &[&str] = &[$(stringify!($point)),*];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $point() {
                three_crashes(stringify!($point), Way::$way).await;
            }
        )*
    };
}

points! {
    migrating: AtStart,
    inputs_stored: AtWork,
    before_accept: AtWork,
    before_commit: AtWork,
    committed: AtWork,
    accept_stored: AtWork,
    create_answered: AtWork,
    claimed: AtWork,
    before_intent: AtWork,
    intent_stored: AtWork,
    connecting: AtWork,
    connected: AtWork,
    reply_headers: AtWork,
    reply_read: AtWork,
    before_running: AtWork,
    running_stored: AtWork,
    before_refusal: AtWork,
    refusal_stored: AtWork,
    before_unknown: AtWork,
    unknown_stored: AtWork,
    interrupted_found: AfterADeath,
    spool_before_append: WithoutAStore,
    spool_after_append: WithoutAStore,
    poll_answered: AtWork,
    hint_stored: AtWork,
    before_results: AtWork,
    results_stored: AtWork,
    result_copied: AtWork,
    before_end: AtWork,
    end_stored: AtWork,
    end_shown: AtWork,
    delivery_claimed: AtWork,
    delivery_sending: AtWork,
    delivery_answered: AtWork,
    delivery_settled: AtWork,
    retention_deleting: AtWork,
    draining: WhenTold,
}

/// Which pass of a point ends a life; a life passes most points several times.
const PASSES: [u32; 3] = [1, 2, 3];

/// What can become of a task, and of telling its client; with pictures of the client's own.
const WISHES: &[Wish] = &[
    Wish { fault: "", told: Told::At("200"), picture: false, keyed: true },
    Wish { fault: "[sandbox:429]", told: Told::At("500,200"), picture: true, keyed: true },
    Wish { fault: "[sandbox:cut]", told: Told::At("500"), picture: false, keyed: true },
    Wish {
        fault: "[sandbox:slow=1s,submit:latency=300ms]",
        told: Told::At("200"),
        picture: true,
        keyed: true,
    },
    Wish { fault: "[sandbox:fail]", told: Told::InTheTrap, picture: false, keyed: true },
    Wish { fault: "[sandbox:garbage]", told: Told::No, picture: false, keyed: true },
    // The third whose outcome is not known: each life passes those points as often as it is asked to.
    Wish { fault: "[sandbox:cut]", told: Told::No, picture: false, keyed: true },
    Wish { fault: "[sandbox:429]", told: Told::At("503,503,200"), picture: true, keyed: true },
    Wish { fault: "[sandbox:poll:error=0.5]", told: Told::At("500,500,500,200"), picture: true, keyed: true },
];

/// Answered so late that the store can be taken away before.
const ANSWERED_LATE: Wish = Wish { fault: LATE, told: Told::At("200"), picture: false, keyed: true };

async fn three_crashes(point: &str, way: Way) {
    let mut house = House::called_back("", 0.3).await;
    for pass in PASSES {
        WISHES.iter().for_each(|wish| house.wish(wish));
        match way {
            Way::AtWork => crash_at_work(&mut house, point, pass).await,
            Way::AtStart => assert!(!house.start_to_crash(point, 1).await, "it came to serve"),
            Way::AfterADeath => {
                house.wish(&ANSWERED_LATE);
                crash_after_a_death(&mut house, point).await;
            }
            Way::WithoutAStore => {
                house.wish(&ANSWERED_LATE);
                assert!(house.start_to_crash(point, 1).await, "it did not come to serve");
                let crashed = house.live_while_the_store_is_away(Fate::KilledAfter(DEADLINE)).await;
                assert!(crashed, "{point} was not passed");
            }
            Way::WhenTold => {
                assert!(house.start_to_crash(point, 1).await, "it did not come to serve");
                house.live(Fate::ToldToStopAfter(Duration::from_millis(u64::from(pass) * 100)), 1).await;
            }
        }
        house.has_crashed_at(point).await;
    }
    house.judge("crash_points", point, PASSES.len()).await;
}

async fn crash_at_work(house: &mut House, point: &str, pass: u32) {
    // What is left of the life before may bring it to the point before it serves.
    if house.start_to_crash(point, pass).await {
        assert!(house.live(Fate::KilledAfter(DEADLINE), 2).await, "{point} was not passed {pass} times");
    }
}

/// Submissions wait for their answers when the gateway is killed; the next one finds them.
async fn crash_after_a_death(house: &mut House, point: &str) {
    house.gateway.restart().await;
    house.live_until_submitting().await;
    if house.start_to_crash(point, 1).await {
        assert!(house.live(Fate::KilledAfter(DEADLINE), 1).await, "{point} was not passed");
    }
}

#[test]
fn every_point_has_a_test() {
    let points: Vec<&str> = failpoints::POINTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(TESTED, points);
}

#[tokio::test]
async fn a_name_that_is_not_known_stops_the_gateway_before_it_starts() {
    let gateway = Gateway::embedded().await;
    for (variable, value) in [("FILMGATE_CRASH_AT", "intent_store"), ("FILMGATE_WITHOUT", "seatbelt")] {
        let finished = tests::Process::run(gateway.serve_command().env(variable, value)).await;
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.contains(value), "{finished:?}");
    }
}
