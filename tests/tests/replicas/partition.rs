//! A replica is cut off from the database, and from nothing else: others go on with its tasks, and what it still does by
//! itself changes nothing.

use std::time::Duration;

use serde_json::json;
use tests::figures;
use tests::house::{Fleet, REPLICAS};
use tests::{eventually, netns};
use tokio::task::JoinSet;

use crate::faults::{BESIDES, LEASE, PATIENCE, WISHED, WISHES, hasty};

/// Partitions in the short run and in the long one.
const SHORT: usize = 2;
const LONG: usize = 100;
/// How long one lasts: others must take over meanwhile.
const CUT: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_from_the_database_harms_nobody() {
    if !netns::is_inside() {
        return netns::run_inside("partition::a_replica_that_is_cut_off_from_the_database_harms_nobody");
    }
    let wanted = if figures::is_long() { LONG } else { SHORT };
    let mut fleet = Fleet::start("submit:latency=250ms,poll:latency=150ms", hasty).await;
    let (mut asking, mut partitions, mut met) = (JoinSet::new(), 0, 0);
    // As many more as it takes for enough of them to meet a claim.
    while partitions < wanted || (met * 2 < wanted && partitions < 3 * wanted) {
        let victim = partitions % REPLICAS;
        partitions += 1;
        fleet.ask(WISHES, &WISHED, &mut asking);
        met += usize::from(fleet.stop_at_work(victim, PATIENCE).await);
        fleet.cut(victim);
        fleet.note_fault(victim, "partition");
        fleet.gateways[victim].resume();
        tokio::time::sleep(CUT).await;
        fleet.heal(victim);
        fleet.until_ready(REPLICAS).await;
        fleet.read().await;
    }
    asking.join_all().await;
    eventually("the end of all sessions that were cut off", async || {
        (fleet.forsaken_sessions() == 0).then_some(())
    })
    .await;
    let (outcome, _history) = fleet.settle().await;
    let bound = LEASE + BESIDES;
    let late = outcome.takeovers.iter().filter(|of| of.longest_s >= bound.as_secs_f64()).count();
    let stale = outcome.writes.stale + outcome.writes.torn;
    figures::note(
        "replica_partitions",
        json!({
            "n": partitions,
            "failures": outcome.verdict.failures() + usize::try_from(stale).unwrap_or(usize::MAX) + late,
            "met_a_claim": met,
            "tasks": outcome.tasks,
            "in_doubt": outcome.in_doubt,
            "stale_writes": stale,
            "longest_takeover_s": outcome.takeovers.iter().map(|of| of.longest_s).fold(0.0, f64::max),
            "bound_s": bound.as_secs(),
        }),
    );
    assert_eq!(outcome.verdict.failures(), 0, "{}", outcome.verdict);
    assert_eq!(stale, 0, "{:?}", outcome.writes);
    assert_eq!(late, 0, "{:?}", outcome.takeovers);
    assert!(met * 2 >= wanted, "not tested: {met} of {partitions} partitions met a claim");
}
