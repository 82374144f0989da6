//! The gateway is killed at random moments, under load, again and again; then everything comes to its end, and the whole
//! history is checked. A run whose kills met too little counts as failed. `FILMGATE_LONG=1` makes a long run of it.

use std::time::Duration;

use tests::figures;
use tests::house::{Fate, House, Told, Wish};

/// Kills of each seed, and tasks that are asked for in each life.
struct Length {
    kills: usize,
    wishes_each: usize,
}

const SHORT: Length = Length { kills: 20, wishes_each: 10 };
/// With three seeds a thousand kills and a hundred thousand tasks.
const LONG: Length = Length { kills: 334, wishes_each: 100 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_by_the_first_seed() {
    run(0x0F11_6A7E).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_by_the_second_seed() {
    run(0x5EED_0002).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_by_the_third_seed() {
    run(0x5EED_0003).await;
}

async fn run(seed: u64) {
    let Length { kills, wishes_each } = if figures::is_long() { LONG } else { SHORT };
    let mut dice = fastrand::Rng::with_seed(seed);
    // Answers that linger let kills meet submissions on their way.
    let mut house = House::new("submit:latency=200ms,poll:error=0.1", 0.5).await;
    let mut lives = 0;
    // The kills fall where chance has them: there are as many more as it takes for enough of them to meet a submission.
    while lives < kills || (house.landed().within_a_submission < kills / 4 && lives < 3 * kills) {
        lives += 1;
        (0..wishes_each).for_each(|_| house.wish(&wish(&mut dice)));
        let moment = Duration::from_millis(dice.u64(5..900));
        house.live(Fate::KilledAfter(moment), dice.usize(1..=3)).await;
        house.gateway.restart().await;
    }
    let judged = house.judge("kills", &format!("seed {seed:#x}"), lives).await;
    let landed = judged.landed;
    assert!(landed.deaths >= kills, "not tested: {landed:?}");
    assert!(landed.with_live_tasks >= kills / 2, "not tested: {landed:?}");
    assert!(landed.within_a_submission >= kills / 4, "not tested: {landed:?}");
    assert!(judged.unknown > 0, "not tested: no submission's outcome was ever in doubt");
    for invariant in ["I1", "I2", "I3", "I6", "I7", "I9", "A2"] {
        assert!(judged.verdict.of(invariant).n >= kills / 4, "not tested: {invariant}\n{}", judged.verdict);
    }
}

fn wish(dice: &mut fastrand::Rng) -> Wish {
    let faults =
        ["", "", "", "", "[sandbox:429=0.3]", "[sandbox:fail]", "[sandbox:cut]", "[sandbox:slow=1s]"];
    let told = [
        Told::No,
        Told::At("200"),
        Told::At("200"),
        Told::At("500,200"),
        Told::At("503,503,503,200"),
        Told::At("500"),
        Told::InTheTrap,
    ];
    Wish {
        fault: faults[dice.usize(..faults.len())],
        told: told[dice.usize(..told.len())],
        picture: dice.u8(..8) == 0,
        keyed: dice.u8(..4) > 0,
    }
}
