//! The operator's own proxy: it opens the connections, and decides nothing.

use std::net::IpAddr;
use std::time::Duration;

use domain::Call;
use upstream::Egress;

use crate::internet::Manner;
use crate::judge::Tally;
use crate::judge::Verdict::{Allowed, Blocked};
use crate::names::to;
use crate::world::World;

pub(crate) async fn run(world: &World) -> Tally {
    let mut tally = Tally::default();
    let proxy = IpAddr::from([127, 0, 0, 1]);
    world.internet.behave(proxy, Manner::Proxy);
    let url = format!("http://{}", world.place(proxy)).parse().unwrap();
    let way_out = world.way_out(Egress { proxy: Some(url), ..Egress::default() });
    let mut check = |good: bool, why: &str| {
        let failed = (!good).then(|| why.to_owned());
        tally.count(if good { Allowed } else { Blocked }, failed.into_iter().collect());
    };

    let told = world.tell(&way_out, &world.at("example.com")).await;
    let fetched = world.fetch(&way_out, &world.at("example.com")).await;
    check((told, fetched) == (Allowed, Allowed), "calls arrive");
    let seen = world.internet.seen();
    let asked = format!("CONNECT {} HTTP/1.1\r\n", world.place(world.public(1)));
    let head = seen[0].head.as_deref().unwrap_or_default();
    check(seen[0].dialled == world.place(proxy), "the proxy is dialled, nobody else");
    check(
        head.starts_with(&asked) && !head.contains("example"),
        "the proxy is told the vetted address, no name",
    );

    world.dns.script("inside.example.com", vec![to(&[world.trap(0)])]);
    let before = world.opened();
    let verdict = world.tell(&way_out, &world.at("inside.example.com")).await;
    check(verdict == Blocked && world.opened() == before, "what is refused is not even asked of the proxy");

    let base_url = format!("http://{}", world.place(world.public(2)));
    let reply = way_out.ask(&base_url, Call::get("/v1"), Duration::from_secs(20)).await;
    let last = world.internet.seen().pop().unwrap();
    check(reply.is_ok() && last.dialled.ip() == world.public(2), "calls to accounts go straight");

    world.internet.behave(proxy, Manner::Bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec()));
    let verdict = world.tell(&way_out, &world.at("example.com")).await;
    check(verdict == Blocked, "a proxy that refuses is not gone round");
    tally
}
