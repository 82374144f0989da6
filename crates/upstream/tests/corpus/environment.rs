//! S12: what the environment says of proxies counts for nothing.

use crate::judge::Tally;
use crate::judge::Verdict::{self, Allowed};
use crate::world::World;

/// Where no call of ours may come by.
const TRAP: &str = "http://127.9.8.7:8080";

type Environment = &'static [(&'static str, &'static str)];

/// The environments that a test is run in, one after the other.
pub(crate) fn of(test: &str) -> &'static [Environment] {
    const ROWS: &[Environment] = &[
        &[("HTTPS_PROXY", TRAP)],
        &[("https_proxy", TRAP)],
        &[("ALL_PROXY", TRAP)],
        &[("all_proxy", "socks5://127.9.8.7:8080")],
        &[("HTTP_PROXY", TRAP), ("http_proxy", TRAP)],
        &[("HTTPS_PROXY", TRAP), ("HTTP_PROXY", TRAP), ("NO_PROXY", "other.example.com")],
    ];
    if test.starts_with("s12_") { ROWS } else { &[&[]] }
}

pub(crate) async fn run(world: &World) -> Tally {
    let mut tally = Tally::default();
    let url = world.at("example.com");
    let plain = url.replacen("https", "http", 1);
    let mut verdicts = vec![world.tell(&world.way_out, &url).await, world.fetch(&world.way_out, &url).await];
    verdicts.extend([world.tell(&world.way_out, &plain).await, world.fetch(&world.way_out, &plain).await]);
    let elsewhere = world.internet.seen().iter().filter(|seen| seen.dialled.ip() != world.public(1)).count();
    tally.trapped = elsewhere as u64;
    let failed = (verdicts != [Allowed; 4]).then(|| format!("a call did not arrive: {verdicts:?}"));
    tally.count(Verdict::Blocked, failed.into_iter().collect());
    tally
}
