//! Addresses that are the machine's own, or that the machine takes for others.

use upstream::Egress;

use crate::apart::OWN_ADDRESS;
use crate::judge::{Tally, Verdict, Way, refused};
use crate::names::to;
use crate::world::World;

pub(crate) async fn run(world: &World) -> Tally {
    let mut tally = Tally::default();
    another_peer(world, &mut tally).await;
    // Where the network is not ours, we cannot give the machine a public address.
    if world.apart {
        let literal = [refused(format!("https://{OWN_ADDRESS}/"), "the machine's own address")];
        let judged = world.judge(&literal, &[Way::Callback, Way::Media]).await;
        tally.blocked += judged.blocked;
        tally.trapped += judged.trapped;
        tally.failures.extend(judged.failures);

        world.dns.script("own.example.com", vec![to(&[OWN_ADDRESS.parse().unwrap()])]);
        let before = world.opened();
        let verdict = world.tell(&world.way_out, &world.at("own.example.com")).await;
        tally.trapped += world.opened() - before;
        expect(&mut tally, verdict, Verdict::Blocked, "a name of the machine itself");
    }
    tally
}

/// Linux takes 0.0.0.0 for 127.0.0.1: whoever allows the one has not allowed the other.
async fn another_peer(world: &World, tally: &mut Tally) {
    let url = world.at("0.0.0.0").replacen("https", "http", 1);
    let allowed = world.way_out_with(&["0.0.0.0/32"], Egress::default());
    expect(tally, world.tell(&allowed, &url).await, Verdict::Blocked, "another address answers");
    let both = world.way_out_with(&["127.0.0.1/32"], Egress::default());
    let url = url.replacen("0.0.0.0", "127.0.0.1", 1);
    expect(tally, world.tell(&both, &url).await, Verdict::Allowed, "the address itself answers");
}

fn expect(tally: &mut Tally, verdict: Verdict, expected: Verdict, why: &str) {
    let failed = (verdict != expected).then(|| format!("{why}: {verdict:?}"));
    tally.count(expected, failed.into_iter().collect());
}
