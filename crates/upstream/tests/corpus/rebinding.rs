//! S5: names that lead elsewhere at each question. What counts is the answer that is dialled, and that is the one that was
//! looked at.

use crate::dns::{End, Reply};
use crate::judge::Verdict::{self, Allowed, Blocked};
use crate::judge::{Tally, Way};
use crate::names::{alias, end, to};
use crate::world::World;

/// What the name server says one after the other, and what becomes of each try.
type Script = (&'static str, Vec<Reply>, Vec<Verdict>);

pub(crate) async fn run(world: &World) -> Tally {
    let mut tally = Tally::default();
    for (index, (why, replies, tries)) in scripts(world).into_iter().enumerate() {
        for way in [Way::Callback, Way::Media] {
            let name = format!("rebinding{index}{way:?}.example.com").to_lowercase();
            world.dns.script(&name, replies.clone());
            let url = world.at(&name);
            let mut failures = Vec::new();
            for (number, expected) in tries.iter().enumerate() {
                let before = world.opened();
                let verdict = match way {
                    Way::Callback => world.tell(&world.way_out, &url).await,
                    Way::Media => world.fetch(&world.way_out, &url).await,
                };
                if verdict != *expected {
                    failures.push(format!("{why}: try {number} by {way:?} was {verdict:?}"));
                }
                if *expected == Blocked {
                    tally.trapped += world.opened() - before;
                }
            }
            if way == Way::Callback || !failures.is_empty() {
                tally.count(Blocked, failures);
            }
        }
    }
    tally
}

fn scripts(world: &World) -> Vec<Script> {
    let good = to(&[world.public(1)]);
    let good_v6 = to(&[world.public_v6(1)]);
    let (bad, bad_v6) = (to(&[world.trap(0)]), to(&[world.trap_v6(0)]));
    let mixed = to(&[world.public(1), world.trap(1)]);
    let kept = |reply: &Reply, ttl| Reply { ttl, ..reply.clone() };
    let once = |after: Reply| (vec![good.clone(), after], vec![Allowed, Blocked, Blocked, Blocked]);
    let mut scripts = vec![
        ("bad, then good", vec![bad.clone(), good.clone()], vec![Blocked, Allowed, Allowed, Allowed]),
        (
            "in turns",
            vec![good.clone(), bad.clone(), good.clone(), bad.clone()],
            vec![Allowed, Blocked, Allowed, Blocked],
        ),
        (
            "bad at the third try",
            vec![good.clone(), good.clone(), bad.clone(), good.clone()],
            vec![Allowed, Allowed, Blocked, Allowed],
        ),
        (
            "bad at the last try",
            vec![good.clone(), good.clone(), good.clone(), bad.clone()],
            vec![Allowed, Allowed, Allowed, Blocked],
        ),
        ("IPv6", vec![good_v6.clone(), bad_v6], vec![Allowed, Blocked, Blocked, Blocked]),
        ("IPv4 good, IPv6 bad", vec![to(&[world.public(1), world.trap_v6(0)])], vec![Blocked; 4]),
        ("IPv4 bad, IPv6 good", vec![to(&[world.trap(0), world.public_v6(1)])], vec![Blocked; 4]),
        ("a good answer is kept for its time", vec![kept(&good, 60), bad.clone()], vec![Allowed; 4]),
        ("a bad answer is kept for its time", vec![kept(&bad, 60), good.clone()], vec![Blocked; 4]),
        ("a time that never ends", vec![kept(&good, u32::MAX), bad.clone()], vec![Allowed; 4]),
        ("no answer", vec![good.clone(), end(End::Silent)], vec![Allowed, Blocked]),
    ];
    for (why, after) in [
        ("good, then mixed", mixed),
        ("good, then no such name", end(End::Unknown)),
        ("good, then a failure", end(End::Failed)),
        ("good, then nothing", to(&[])),
        ("good, then an answer that breaks off", Reply { end: End::Torn, ..good.clone() }),
        ("good, then an alias", alias(&["trap.example.net"], Some(world.trap(2)))),
    ] {
        let (replies, tries) = once(after);
        scripts.push((why, replies, tries));
    }
    for number in 0..12 {
        let (replies, tries) = once(to(&[world.trap(number)]));
        scripts.push(("good, then bad", replies, tries));
    }
    scripts
}
