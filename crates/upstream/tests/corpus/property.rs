//! Whatever the URL and whatever the name server says: what is dialled satisfies the rule, by a judge that shares no code
//! with it.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::dns::Reply;
use crate::judge::{Tally, Verdict};
use crate::spellings::BLOCKS;
use crate::world::World;

const CASES: u32 = 400;
/// Cases of each outcome, at least.
const ENOUGH: usize = 20;
const NAME: &str = "anything.example.com";

/// What makes a URL one, and what makes it strange.
const PIECES: &[&str] = &[
    "https", "http", "://", ":/", "//", "/", "@", "#", "?", ":", "443", "8443", "%00", "%40", "\\", ".", "x",
];

/// What a client sends, and what the name server says then.
#[derive(Debug, Clone)]
struct Case {
    url: String,
    replies: Vec<Vec<IpAddr>>,
}

pub(crate) async fn run(world: &World) -> Tally {
    let (called, other) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    let result = tokio::task::block_in_place(|| {
        runner.run(&case(world), |case| {
            let before = world.internet.seen().len();
            let count = if runtime.block_on(call(world, &case)) { &called } else { &other };
            count.set(count.get() + 1);
            world.settle();
            for seen in &world.internet.seen()[before..] {
                let address = seen.dialled.ip();
                prop_assert!(is_ordinary(world, address), "{address} was dialled");
            }
            Ok(())
        })
    });
    let (allowed, blocked) = (called.get(), other.get());
    let mut tally = Tally { allowed, blocked, ..Tally::default() };
    tally.failures.extend(result.err().map(|error| error.to_string()));
    // Cases of which none is called would show nothing.
    if allowed < ENOUGH || blocked < ENOUGH {
        tally.failures.push(format!("{allowed} called, {blocked} not"));
    }
    tally
}

async fn call(world: &World, case: &Case) -> bool {
    let replies =
        case.replies.iter().map(|addresses| Reply { addresses: addresses.clone(), ..Reply::default() });
    world.dns.forget(NAME);
    world.dns.script(NAME, replies.collect());
    let mut called = false;
    for _try in 0..3 {
        if world.way_out.check_listener(&case.url, false).is_ok() {
            called |= world.tell(&world.way_out, &case.url).await == Verdict::Allowed;
        }
        called |= world.fetch(&world.way_out, &case.url).await == Verdict::Allowed;
    }
    called
}

fn case(world: &World) -> impl Strategy<Value = Case> + use<> {
    let known = world.at(NAME);
    // Where connections could leave this machine, only the name is tried.
    let host = if world.apart { host().boxed() } else { Just(NAME.to_owned()).boxed() };
    let torn = (select(PIECES), select(PIECES), host.clone())
        .prop_map(|(a, b, host)| format!("https:{a}{b}{host}/"));
    let whole = host.prop_map(|host| format!("https://{host}/"));
    let url = if world.apart {
        prop_oneof![4 => Just(known), 2 => whole, 1 => torn].boxed()
    } else {
        Just(known).boxed()
    };
    let address = address(world);
    (url, vec(vec(address, 1..4), 1..4)).prop_map(|(url, replies)| Case { url, replies })
}

fn host() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        Just(NAME.to_owned()),
        any::<u32>().prop_map(|v4| Ipv4Addr::from(v4).to_string()),
        any::<u32>().prop_map(|v4| v4.to_string()),
        any::<u128>().prop_map(|v6| format!("[{}]", Ipv6Addr::from(v6))),
        any::<u128>().prop_map(|v6| format!("[{}]", Ipv6Addr::from(v6 >> 3 | 1 << 125))),
        any::<u32>().prop_map(|v4| format!("[::ffff:{}]", Ipv4Addr::from(v4))),
        select(BLOCKS).prop_flat_map(|block| select(block.to_vec())).prop_map(str::to_owned),
        "[a-z0-9.%@:\\[\\]-]{1,20}",
    ]
}

fn address(world: &World) -> impl Strategy<Value = IpAddr> + use<> {
    let (public, public_v6) = (world.public(1), world.public_v6(1));
    let traps: Vec<IpAddr> = (0..12).map(|number| world.trap(number)).collect();
    let traps_v6: Vec<IpAddr> = (0..6).map(|number| world.trap_v6(number)).collect();
    let anything = any::<u32>().prop_map(|v4| IpAddr::V4(v4.into())).boxed();
    let anything = if world.apart { anything } else { Just(public).boxed() };
    prop_oneof![
        6 => Just(public),
        2 => Just(public_v6),
        2 => anything,
        2 => select(traps),
        1 => select(traps_v6),
    ]
}

/// The rule once more: by bounds instead of prefixes, and by texts instead of numbers.
fn is_ordinary(world: &World, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) if !world.apart => v4.to_string().starts_with("127.77."),
        IpAddr::V4(v4) => {
            let bound = |text: &str| text.parse::<Ipv4Addr>().unwrap();
            let special = BLOCKS.iter().any(|[first, _, last]| (bound(first)..=bound(last)).contains(&v4));
            !special && v4.to_string() != "168.63.129.16"
        }
        IpAddr::V6(v6) => {
            let bytes = v6.octets().map(|byte| format!("{byte:02x}")).concat();
            let special = bytes.starts_with("20010") && "01".contains(&bytes[5..6])
                || ["20010db8", "2002", "3fff0"].iter().any(|prefix| bytes.starts_with(prefix));
            (bytes.starts_with('2') || bytes.starts_with('3')) && !special
        }
    }
}
