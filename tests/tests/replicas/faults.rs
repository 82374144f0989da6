//! Replicas are stopped and let go on, killed, cut off; the database and the limits go away. Nothing accepted is lost,
//! nothing is submitted twice, no write counts of who has lost its claim, and others take over within the lease and five
//! seconds. A run whose faults met too little counts as failed. `FILMGATE_LONG=1` makes a long run of it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::figures;
use tests::house::{Fleet, REPLICAS};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The lease of the runs, and what takeovers are promised within besides.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
pub(crate) const BESIDES: Duration = Duration::from_secs(5);
/// How long a replica is stopped: for longer than a lease, so that others must take over.
const PAUSE: Duration = Duration::from_millis(2_600);
/// How long a moment with a held claim is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Pictures that are asked for at each fault.
pub(crate) const WISHES: usize = 6;
/// What goes wrong with them upstream.
pub(crate) const WISHED: [&str; 6] = ["", "", "[sandbox:slow=1s]", "", "[sandbox:fail]", "[sandbox:429=0.3]"];

/// How many faults of each kind.
struct Length {
    pauses: usize,
    kills: usize,
    database: usize,
    limits: usize,
}

const SHORT: Length = Length { pauses: 8, kills: 4, database: 2, limits: 1 };
const LONG: Length = Length { pauses: 500, kills: 100, database: 20, limits: 20 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Pause,
    Kill,
    Database,
    Limits,
}

/// Short leases, and answers that linger, so that faults meet claims.
pub(crate) fn hasty(config: &mut Value) {
    config["tasks"] = json!({
        "lease": "2s", "connect_timeout": "1s", "submit_timeout": "1s", "poll_timeout": "2s", "result_timeout": "5s",
        "unknown_hold": "3s", "look_after": "200ms", "attempts_max": 20, "crashes_max": 1000, "late_watch": "0s",
    });
    for account in config["accounts"].as_array_mut().into_iter().flatten() {
        account["on_unknown"] = json!("hold");
    }
}

/// The faults of a run in an order that is always the same, each with its victim.
fn faults(length: &Length) -> Vec<(Fault, usize)> {
    let kinds = [
        (Fault::Pause, length.pauses),
        (Fault::Kill, length.kills),
        (Fault::Database, length.database),
        (Fault::Limits, length.limits),
    ];
    let mut faults: Vec<Fault> =
        kinds.into_iter().flat_map(|(fault, times)| std::iter::repeat_n(fault, times)).collect();
    let mut dice = fastrand::Rng::with_seed(0x0F11_6A7E);
    dice.shuffle(&mut faults);
    faults.into_iter().enumerate().map(|(number, fault)| (fault, number % REPLICAS)).collect()
}

/// Lets a fault happen; whether it met a held claim, if it is one of a replica.
async fn happen(fleet: &mut Fleet, fault: Fault, victim: usize) -> Option<bool> {
    match fault {
        Fault::Pause => {
            let met = fleet.stop_at_work(victim, PATIENCE).await;
            fleet.note_fault(victim, "pause");
            sleep(PAUSE).await;
            fleet.gateways[victim].resume();
            Some(met)
        }
        Fault::Kill => {
            let met = fleet.stop_at_work(victim, PATIENCE).await;
            fleet.gateways[victim].kill();
            fleet.note_fault(victim, "kill");
            fleet.restart(victim).await;
            Some(met)
        }
        Fault::Database => {
            fleet.postgres.stop_at_once();
            fleet.postgres.start_again();
            None
        }
        Fault::Limits => {
            fleet.redis.kill();
            fleet.read().await;
            fleet.redis.start_again().await;
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_nothing_and_submit_nothing_twice() {
    let length = if figures::is_long() { LONG } else { SHORT };
    let mut fleet = Fleet::start("submit:latency=250ms,poll:latency=150ms", hasty).await;
    let (mut asking, mut met, mut tries) = (JoinSet::new(), 0, 0);
    for (fault, victim) in faults(&length) {
        fleet.ask(WISHES, &WISHED, &mut asking);
        let is_met = happen(&mut fleet, fault, victim).await;
        tries += usize::from(is_met.is_some());
        met += usize::from(is_met == Some(true));
        fleet.read().await;
    }
    asking.join_all().await;
    let (outcome, _history) = fleet.settle().await;
    let bound = LEASE + BESIDES;
    let late = outcome.takeovers.iter().filter(|of| of.longest_s >= bound.as_secs_f64()).count();
    let failures = outcome.verdict.failures()
        + usize::try_from(outcome.writes.stale + outcome.writes.torn).unwrap_or(usize::MAX)
        + late;
    figures::note(
        "replica_faults",
        json!({
            "n": length.pauses + length.kills + length.database + length.limits,
            "failures": failures,
            "pauses": length.pauses,
            "kills": length.kills,
            "database_restarts": length.database,
            "redis_kills": length.limits,
            "met_a_claim": met,
            "tasks": outcome.tasks,
            "in_doubt": outcome.in_doubt,
            "writes": outcome.writes.n,
            "stale_writes": outcome.writes.stale + outcome.writes.torn,
            "takeovers": outcome.takeovers.iter().map(|of| of.n).sum::<i64>(),
            "longest_takeover_s": outcome.takeovers.iter().map(|of| of.longest_s).fold(0.0, f64::max),
            "bound_s": bound.as_secs(),
        }),
    );
    assert_eq!(outcome.verdict.failures(), 0, "{}", outcome.verdict);
    assert_eq!((outcome.writes.stale, outcome.writes.torn), (0, 0), "{:?}", outcome.writes);
    assert_eq!(late, 0, "{:?}", outcome.takeovers);
    assert!(met * 2 >= tries, "not tested: {met} of {tries} faults met a claim");
    assert!(outcome.takeovers.iter().any(|of| of.kind == "pause" && of.n > 0), "{:?}", outcome.takeovers);
    assert!(outcome.writes.n > 0, "not tested: nothing was written");
}
