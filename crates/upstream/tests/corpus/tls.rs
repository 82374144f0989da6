//! S11: receivers that cannot prove who they are. They learn nothing: not one byte of a request is sent.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::ServerConfig;

use crate::certificates::{Authority, Subject, server};
use crate::internet::Manner;
use crate::judge::{Tally, Verdict};
use crate::world::World;

/// A hello of a server that speaks at most TLS 1.1 (03 02), with a cipher of its time.
const OLD_HELLO: [u8; 47] = {
    let mut hello = [0; 47];
    (hello[0], hello[1], hello[2], hello[4]) = (0x16, 3, 2, 42);
    (hello[5], hello[8], hello[9], hello[10]) = (2, 38, 3, 2);
    hello[45] = 0x2f;
    hello
};
/// protocol_version, fatal.
const ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];
/// More certificates than any chain has; together more bytes than a client should read.
const HUGE_CHAIN: usize = 300;

pub(crate) async fn run(world: &World) -> Tally {
    let mut tally = Tally::default();
    for (number, (why, manner, by_address)) in (20..).zip(cases(world)) {
        let (name, address) = world.behaving(number, manner);
        let url = world.at(&if by_address { address.to_string() } else { name });
        let verdict = world.tell(&world.way_out, &url).await;
        let mut failures = Vec::new();
        if verdict != Verdict::Blocked || has_heard(world, address) {
            failures.push(format!("{why}: {verdict:?}"));
        }
        tally.count(Verdict::Blocked, failures);
    }
    let good = world.tell(&world.way_out, &world.at("good.example.com")).await;
    let failed = (good != Verdict::Allowed).then(|| "a good certificate is not trusted".to_owned());
    tally.count(Verdict::Allowed, failed.into_iter().collect());
    tally
}

fn has_heard(world: &World, address: IpAddr) -> bool {
    world.internet.seen().iter().any(|seen| seen.dialled.ip() == address && seen.head.is_some())
}

/// What is shown, and whether the server is called by its address. The names are those of the numbers from 20 on.
fn cases(world: &World) -> Vec<(&'static str, Manner, bool)> {
    let own = |number: u8| Subject::Name(format!("server{number}.example.com"));
    let trusted = &world.internet.authority;
    let spoilt =
        |number, change: fn(&mut CertificateParams)| Manner::Tls(trusted.server(own(number), change));
    let shown = |subject| Manner::Tls(trusted.server(subject, |_params| {}));
    vec![
        ("expired", spoilt(20, |params| params.not_after = date_time_ymd(2020, 1, 1)), false),
        ("not yet valid", spoilt(21, |params| params.not_before = date_time_ymd(2090, 1, 1)), false),
        (
            "for clients",
            spoilt(22, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            false,
        ),
        ("without a name", spoilt(23, |params| params.subject_alt_names.clear()), false),
        ("another name", shown(Subject::Name("example.com".to_owned())), false),
        ("a wildcard of another level", shown(Subject::Name("*.server25.example.com".to_owned())), false),
        ("an address for a name", shown(Subject::Address(world.public(26))), false),
        ("a name for an address", shown(own(27)), true),
        ("another address", shown(Subject::Address(world.public(1))), true),
        (
            "an authority that nobody knows",
            Manner::Tls(Authority::new().server(own(29), |_params| {})),
            false,
        ),
        ("self-signed", Manner::Tls(self_signed("server30.example.com", 1)), false),
        ("a huge chain", Manner::Tls(self_signed("server31.example.com", HUGE_CHAIN)), false),
        ("TLS 1.1", Manner::Bytes(OLD_HELLO.to_vec()), false),
        ("no version in common", Manner::Bytes(ALERT.to_vec()), false),
        ("plain HTTP", Manner::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()), false),
        ("another protocol", Manner::Bytes(b"220 mail.example.com ESMTP\r\n".to_vec()), false),
        ("not a word", Manner::Silent, false),
    ]
}

/// A certificate that proves itself, `times` over.
fn self_signed(name: &str, times: usize) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    server(vec![certificate.into(); times], &key)
}
