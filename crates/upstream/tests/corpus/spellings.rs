//! S1: IPv4 addresses of special use, in every spelling that some parser takes for one.

use std::net::Ipv4Addr;

use crate::judge::{Row, refused};

/// First, middle and last of each block that is refused (6.1 of the rule: IANA's special-purpose registry and one more).
pub(crate) const BLOCKS: &[[&str; 3]] = &[
    ["0.0.0.0", "0.128.0.0", "0.255.255.255"],
    ["10.0.0.0", "10.128.0.0", "10.255.255.255"],
    ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    ["127.0.0.0", "127.128.0.0", "127.255.255.255"],
    ["169.254.0.0", "169.254.128.0", "169.254.255.255"],
    ["172.16.0.0", "172.24.0.0", "172.31.255.255"],
    ["192.0.0.0", "192.0.0.128", "192.0.0.255"],
    ["192.0.2.0", "192.0.2.128", "192.0.2.255"],
    ["192.88.99.0", "192.88.99.128", "192.88.99.255"],
    ["192.168.0.0", "192.168.128.0", "192.168.255.255"],
    ["198.18.0.0", "198.19.0.0", "198.19.255.255"],
    ["198.51.100.0", "198.51.100.128", "198.51.100.255"],
    ["203.0.113.0", "203.0.113.128", "203.0.113.255"],
    ["224.0.0.0", "232.0.0.0", "239.255.255.255"],
    ["240.0.0.0", "248.0.0.0", "255.255.255.255"],
];

/// The ones that attackers ask for, and one that is ordinary: a spelling is refused whatever it means.
const TARGETS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.53",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "10.11.12.13",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.1.254",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.251",
    "255.255.255.255",
    "168.63.129.16",
    "8.8.8.8",
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = BLOCKS
        .iter()
        .flatten()
        .map(|address| refused(format!("https://{address}/"), "a block of special use"))
        .collect();
    rows.push(refused("https://168.63.129.16/metadata", "a cloud's platform address in public space"));
    rows.push(refused("https://169.254.169.254/latest/meta-data/", "metadata"));
    rows.push(refused("https://169.254.169.254:8443/", "metadata at another port"));
    for target in TARGETS {
        rows.extend(spellings(target.parse().unwrap()));
    }
    rows
}

fn spellings(address: Ipv4Addr) -> Vec<Row> {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    let three = u32::from(c) << 8 | u32::from(d);
    let two = u32::from(b) << 16 | three;
    let dotted = address.to_string();
    let map = |to: fn(char) -> String| dotted.chars().map(to).collect::<String>();
    let spellings = [
        (whole.to_string(), "one decimal number"),
        (format!("0x{whole:08x}"), "one hexadecimal number"),
        (format!("0X{whole:X}"), "one hexadecimal number, upper case"),
        (format!("0{whole:o}"), "one octal number"),
        (format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"), "hexadecimal parts"),
        (format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"), "octal parts"),
        (format!("{a}.{two}"), "two parts"),
        (format!("{a}.{b}.{three}"), "three parts"),
        (format!("0x{a:X}.{b}.0{c:o}.{d}"), "parts of several kinds"),
        (format!("{a:04}.{b:04}.{c:04}.{d:04}"), "zeros in front, which make some parsers read octal"),
        (format!("{dotted}."), "a dot behind"),
        (map(full_width), "full-width digits"),
        (map(circled), "digits in circles"),
        (dotted.replace('.', "。"), "ideographic dots"),
        (map(percent), "percent-encoded"),
    ];
    spellings.into_iter().map(|(host, why)| refused(format!("https://{host}/"), why)).collect()
}

fn full_width(character: char) -> String {
    let digit = |digit: u32| char::from_u32(0xff10 + digit).unwrap();
    character.to_digit(10).map_or(character, digit).to_string()
}

fn circled(character: char) -> String {
    let digit = |digit| if digit == 0 { '⓪' } else { char::from_u32(0x2460 + digit - 1).unwrap() };
    character.to_digit(10).map_or(character, digit).to_string()
}

fn percent(character: char) -> String {
    format!("%{:02x}", u32::from(character))
}
