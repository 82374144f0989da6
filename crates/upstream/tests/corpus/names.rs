//! S4: names that lead inside, or nowhere.

use std::net::IpAddr;

use crate::dns::{End, Reply};
use crate::judge::{Row, Tally, Verdict, Way};
use crate::world::World;

/// More than a name may have.
const TOO_MANY: u8 = 64;

pub(crate) async fn run(world: &World) -> Tally {
    let rows: Vec<Row> = table(world)
        .into_iter()
        .enumerate()
        .map(|(index, (why, reply))| {
            let name = format!("inside{index}.example.com");
            world.dns.script(&name, vec![reply]);
            Row { url: world.at(&name), verdict: Verdict::Blocked, why }
        })
        .collect();
    world.dns.script("loop.example.com", vec![alias(&["loop.example.com"], None)]);
    world.dns.script("loop1.example.com", vec![alias(&["loop2.example.com"], None)]);
    world.dns.script("loop2.example.com", vec![alias(&["loop1.example.com"], None)]);
    let loops = ["loop.example.com", "loop1.example.com"].map(|name| Row {
        url: world.at(name),
        verdict: Verdict::Blocked,
        why: "a loop of aliases",
    });
    let rows: Vec<Row> = rows.into_iter().chain(loops).chain(names_with_addresses(world)).collect();
    world.judge(&rows, &[Way::Callback, Way::Media]).await
}

fn table(world: &World) -> Vec<(&'static str, Reply)> {
    let public = world.public(1);
    let mut rows: Vec<(&str, Reply)> = (0..12).map(|n| ("an address inside", to(&[world.trap(n)]))).collect();
    rows.extend((0..6).map(|n| ("an IPv6 address inside", to(&[world.trap_v6(n)]))));
    rows.extend([
        ("both kinds inside", to(&[world.trap(0), world.trap_v6(0)])),
        ("public first, inside last", to(&[public, world.trap(0)])),
        ("inside first, public last", to(&[world.trap(1), public])),
        ("one inside among many", to(&[public, world.public(2), world.trap(2), world.public(3)])),
        ("IPv4 public, IPv6 inside", to(&[public, world.trap_v6(1)])),
        ("IPv4 inside, IPv6 public", to(&[world.trap(3), world.public_v6(1)])),
        ("IPv6 public and inside", to(&[world.public_v6(1), world.trap_v6(2)])),
        ("one alias", alias(&["a.example.net"], Some(world.trap(0)))),
        ("three aliases", alias(&["a.example.net", "b.example.net", "c.example.net"], Some(world.trap(1)))),
        ("an alias of a name inside", alias(&["localhost"], Some(world.trap(1)))),
        ("an alias that is an address", alias(&["127.0.0.1"], Some(world.trap(1)))),
        ("an alias, public and inside", {
            let addresses = vec![public, world.trap(4)];
            Reply { addresses, ..alias(&["a.example.net"], None) }
        }),
        ("too many addresses", { to(&(0..TOO_MANY).map(|number| world.public(number)).collect::<Vec<_>>()) }),
        ("no address", to(&[])),
        ("the server has failed", end(End::Failed)),
        ("no such name", end(End::Unknown)),
        ("no answer", end(End::Silent)),
        ("the answer to another question", Reply { end: End::Confused, ..to(&[public]) }),
        ("an answer that breaks off", Reply { end: End::Torn, ..to(&[public]) }),
    ]);
    rows
}

/// Names that hold an address, and lead to it.
fn names_with_addresses(world: &World) -> Vec<Row> {
    let names =
        ["127.0.0.1.nip", "127-0-0-1.sslip", "7f000001.nip", "app-127-0-0-1", "0x7f.1", "www.127.0.0.1.xip"];
    let row = |(index, name): (usize, &str)| {
        let name = format!("{name}.example.com");
        world.dns.script(&name, vec![to(&[world.trap(index)])]);
        Row { url: world.at(&name), verdict: Verdict::Blocked, why: "an address in the name" }
    };
    names.into_iter().enumerate().map(row).collect()
}

/// A name that has these addresses, for now.
pub(crate) fn to(addresses: &[IpAddr]) -> Reply {
    Reply { addresses: addresses.to_vec(), ..Reply::default() }
}

/// A name that is an alias.
pub(crate) fn alias(aliases: &[&str], address: Option<IpAddr>) -> Reply {
    let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
    Reply { aliases, addresses: address.into_iter().collect(), ..Reply::default() }
}

/// No answer that helps.
pub(crate) fn end(end: End) -> Reply {
    Reply { end, ..Reply::default() }
}
