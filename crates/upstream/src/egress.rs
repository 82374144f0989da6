//! Which addresses may be dialled when somebody else chose the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Blocks of special use (IANA registries), and one platform address of a cloud that lies in public space.
const REFUSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Inside 2000::/3, the only block that is allowed at all: protocol assignments (Teredo and others), documentation, 6to4.
const REFUSED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether `address` is an ordinary one of the public Internet. IPv6 is judged by an allow rule, so that forms nobody
/// thought of (translated, compatible, site-local ...) fall out by themselves.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !REFUSED_V4.iter().any(|(net, bits)| prefix_v4(*net, *bits) == prefix_v4(v4, *bits))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => {
                prefix_v6(v6, 3) == prefix_v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                    && !REFUSED_V6.iter().any(|(net, bits)| prefix_v6(*net, *bits) == prefix_v6(v6, *bits))
            }
        },
    }
}

fn prefix_v4(address: Ipv4Addr, bits: u8) -> u32 {
    u32::from(address) >> (32 - u32::from(bits))
}

fn prefix_v6(address: Ipv6Addr, bits: u8) -> u128 {
    u128::from(address) >> (128 - u32::from(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_blocks_are_refused_and_their_neighbours_are_not() {
        let refused = [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
        ];
        for text in refused {
            assert!(!is_public(text.parse().unwrap()), "{text} must be refused");
        }
        let allowed = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "168.63.129.17",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2001:4860::8888",
        ];
        for text in allowed {
            assert!(is_public(text.parse().unwrap()), "{text} must be allowed");
        }
    }
}
