//! S2: IPv4 addresses of special use inside of IPv6 addresses.

use std::net::Ipv4Addr;

use crate::judge::{Row, refused};

const TARGETS: &[&str] = &[
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "168.63.129.16",
    "255.255.255.255",
];

pub(crate) fn rows() -> Vec<Row> {
    TARGETS.iter().flat_map(|target| forms(target.parse().unwrap())).collect()
}

fn forms(v4: Ipv4Addr) -> Vec<Row> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let forms = [
        (format!("::ffff:{v4}"), "mapped"),
        (format!("::ffff:{high:x}:{low:x}"), "mapped, in hexadecimal"),
        (format!("0000:0000:0000:0000:0000:ffff:{high:04x}:{low:04x}"), "mapped, written out"),
        (format!("::FFFF:{high:X}:{low:X}"), "mapped, in upper case"),
        (format!("::{v4}"), "compatible"),
        (format!("::ffff:0:{v4}"), "translated (SIIT)"),
        (format!("64:ff9b::{v4}"), "NAT64, the well-known prefix"),
        (format!("64:ff9b:1::{v4}"), "NAT64, a local prefix"),
        (format!("2002:{high:x}:{low:x}::1"), "6to4"),
        (format!("2001:0:{high:x}:{low:x}::1"), "a Teredo server"),
        (format!("2001:0:4136:e378:8000:63bf:{:x}:{:x}", !high, !low), "a Teredo client"),
        (format!("fe80::5efe:{v4}"), "ISATAP"),
    ];
    forms.into_iter().map(|(host, why)| refused(format!("https://[{host}]/"), why)).collect()
}
