//! A second opinion on addresses: Python's `ipaddress`. Where the two differ, we say why.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use domain::Network;
use upstream::{Settings, Upstream};
use url::Url;

use crate::judge::Row;
use crate::{allowed, embedded, native, spellings};

const PROGRAM: &str = "
import ipaddress, sys
for line in sys.stdin:
    address = ipaddress.ip_address(line.strip())
    mapped = getattr(address, 'ipv4_mapped', None)
    address = mapped or address
    print(int(address.is_global and not address.is_multicast))
";

/// What Python calls global and we do not, with the reason; some versions of it have learnt of some.
const STRICTER: &[(&str, &str)] = &[
    ("168.63.129.16/32", "a cloud's platform address"),
    ("192.88.99.0/24", "relays of 6to4, which are no more"),
    ("192.0.0.0/24", "protocol assignments; a few of them are anycast services that nobody calls back"),
    ("64:ff9b::/96", "means an IPv4 address, which is to be judged"),
    ("2002::/16", "6to4: means an IPv4 address"),
    ("2001::/23", "Teredo and ORCHID"),
    ("3fff::/20", "documentation, newer than some of Python"),
    ("5f00::/16", "segment routing, newer than some of Python"),
    ("100:0:0:1::/64", "newer than some of Python"),
    ("::/8", "compatible and translated addresses"),
    ("1fff::/16", "not assigned"),
    ("4000::/3", "not assigned"),
    ("e000::/4", "not assigned"),
    ("fec0::/10", "site-local, which is no more"),
];

/// What Python does not call global, and we do.
const MILDER: &[(&str, &str)] = &[];

#[test]
fn python_agrees_about_every_address_or_we_know_why_not() {
    let rows: Vec<Row> = [spellings::rows(), embedded::rows(), native::rows(), allowed::rows()]
        .into_iter()
        .flatten()
        .collect();
    let mut addresses: Vec<IpAddr> = rows.iter().filter_map(|row| address(&row.url)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert!(addresses.len() > 200, "the tables hold addresses: {}", addresses.len());
    let theirs = ask_python(&addresses);
    let way_out = Upstream::new(Settings {
        connect_timeout: Duration::from_secs(1),
        reply_bytes_max: 1,
        idle_per_host_max: 1,
        allow: Vec::new(),
    });
    let mut unexplained = Vec::new();
    for (address, theirs) in addresses.iter().zip(theirs) {
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let ours = way_out.check_listener(&format!("https://{host}/"), false).is_ok();
        let known = if theirs { STRICTER } else { MILDER };
        let is_known = |(network, _why): &(&str, &str)| {
            network.parse::<Network>().unwrap().contains(address.to_canonical())
        };
        if ours != theirs && !known.iter().any(is_known) {
            unexplained.push(format!("{address}: ours {ours}, theirs {theirs}"));
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

/// The address that a URL of a table means, if it means one.
fn address(url: &str) -> Option<IpAddr> {
    match Url::parse(url).ok()?.host()? {
        url::Host::Ipv4(v4) => Some(v4.into()),
        url::Host::Ipv6(v6) => Some(v6.into()),
        url::Host::Domain(_) => None,
    }
}

fn ask_python(addresses: &[IpAddr]) -> Vec<bool> {
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    python.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<bool> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "1").collect();
    assert_eq!(answers.len(), addresses.len());
    answers
}
