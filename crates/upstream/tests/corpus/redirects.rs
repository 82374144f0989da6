//! S6: answers that point elsewhere. Callbacks follow none; media follow redirects, each looked at like the first URL.
//! HTTP/2, whose frames could point elsewhere too, is not spoken.

use crate::judge::Tally;
use crate::judge::Verdict::{Allowed, Blocked};
use crate::names::to;
use crate::world::World;

const CODES: [u16; 5] = [301, 302, 303, 307, 308];

/// An answer, and how many connections a download of it may open.
struct Case {
    why: String,
    answer: String,
    opens: u64,
    followed: bool,
}

pub(crate) async fn run(world: &World) -> Tally {
    world.dns.script("trap.example.com", vec![to(&[world.trap(0)])]);
    let mut tally = Tally::default();
    for (index, case) in cases(world).into_iter().enumerate() {
        let path = format!("/case{index}");
        world.internet.answer(&path, &case.answer);
        let url = world.url("example.com", &path);
        let mut failures = Vec::new();

        let before = world.opened();
        if world.tell(&world.way_out, &url).await != Allowed {
            failures.push(format!("{}: a callback has its answer, whatever it says", case.why));
        }
        tally.trapped += (world.opened() - before).saturating_sub(1);

        let before = world.opened();
        let verdict = world.fetch(&world.way_out, &url).await;
        if (verdict == Allowed) != case.followed {
            failures.push(format!("{}: a download was {verdict:?}", case.why));
        }
        tally.trapped += (world.opened() - before).saturating_sub(case.opens);
        tally.count(if case.followed { Allowed } else { Blocked }, failures);
    }
    rebinding(world, &mut tally).await;
    tally
}

/// A host that sends us to itself, and is somewhere else by then.
async fn rebinding(world: &World, tally: &mut Tally) {
    world.internet.answer("/again", &redirect(302, "/x"));
    world.dns.script("turning.example.com", vec![to(&[world.public(1)]), to(&[world.trap(0)])]);
    let before = world.opened();
    let verdict = world.fetch(&world.way_out, &world.url("turning.example.com", "/again")).await;
    tally.trapped += world.opened() - before - 1;
    let failed = (verdict == Allowed).then(|| "a host that moves between two hops is followed".to_owned());
    tally.count(Blocked, failed.into_iter().collect());
}

fn cases(world: &World) -> Vec<Case> {
    let inside = world.trap(1);
    let mut cases: Vec<Case> = CODES
        .iter()
        .flat_map(|code| {
            let to = [format!("https://{inside}/"), world.url("trap.example.com", "/x")];
            to.map(|to| blocked(format!("{code} to {to}"), redirect(*code, &to)))
        })
        .collect();
    for to in [
        "//127.0.0.1/",
        "///127.0.0.1/",
        "\\\\127.0.0.1\\",
        "/\\127.0.0.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://[::1]/",
        "http://127.0.0.1/",
        "https://u:p@127.0.0.1/",
        "https://localhost/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "https://example.com:22/",
    ] {
        cases.push(blocked(format!("to {to}"), redirect(302, to)));
    }
    cases.push(blocked(
        "without a target".to_owned(),
        "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ));
    let onward = world.url("trap.example.com", "/x");
    world.internet.answer("/hop", &redirect(307, &onward));
    cases.push(Case {
        opens: 2,
        ..blocked("by way of another".to_owned(), redirect(302, &world.url("b.example.com", "/hop")))
    });
    world.internet.answer("/round", &redirect(302, "/round"));
    cases.push(Case { opens: 6, ..blocked("round and round".to_owned(), redirect(302, "/round")) });
    for header in [
        format!("refresh: 0; url=https://{inside}/"),
        format!("alt-svc: h2=\"{inside}:443\"; ma=86400"),
        format!("location: https://{inside}/"),
        format!("content-location: https://{inside}/"),
        format!("link: <https://{inside}/>; rel=preload"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: 2\r\n\r\nok");
        cases.push(Case { followed: true, ..blocked(header, answer) });
    }
    let body = format!("<meta http-equiv=refresh content=\"0; url=https://{inside}/\">");
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    cases.push(Case { followed: true, ..blocked("a page that refreshes".to_owned(), answer) });
    // The scheme of the page and no slashes: for the one parser that counts, paths of the same host.
    let paths = ["/x", "x?y", "https:127.0.0.1", "https:/127.0.0.1/"].map(str::to_owned);
    for to in paths.into_iter().chain([world.url("b.example.com", "/x")]) {
        let answer = redirect(302, &to);
        cases.push(Case { opens: 2, followed: true, ..blocked(format!("to {to}"), answer) });
    }
    cases
}

fn blocked(why: String, answer: String) -> Case {
    Case { why, answer, opens: 1, followed: false }
}

fn redirect(code: u16, to: &str) -> String {
    format!("HTTP/1.1 {code} Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}
