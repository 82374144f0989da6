//! Which addresses may be dialled when somebody else chose the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;

use domain::Network;
use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

/// What the operator says of URLs that others choose. Its default: public addresses only, found by the system's name
/// servers, dialled from here.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Names inside that may be called as far as they lead to addresses which are allowed; one that begins with a dot
    /// means all names below it.
    pub allow_names: Vec<String>,
    /// The name servers to ask, over UDP and TCP; those of the system if none is given.
    pub nameservers: Vec<SocketAddr>,
    /// The prefix by which this network reaches IPv4 addresses over IPv6.
    pub nat64_prefix: Option<Nat64Prefix>,
    /// An HTTP proxy that opens the connections; it is told the address that was vetted, never a name.
    pub proxy: Option<Uri>,
    /// Certificate authorities that are trusted besides the usual ones, by every call.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// The certificates of a PEM file.
///
/// # Errors
/// If it holds something else, or nothing.
pub fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let authorities = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if authorities.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(authorities) }
}

/// How a network writes IPv4 addresses as IPv6 addresses (RFC 6052).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat64Prefix {
    address: Ipv6Addr,
    bytes: usize,
}

/// A text that is no prefix of NAT64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a NAT64 prefix is a block such as 64:ff9b::/96, of 32, 40, 48, 56, 64 or 96 bits")]
pub struct NotANat64Prefix;

impl FromStr for Nat64Prefix {
    type Err = NotANat64Prefix;

    fn from_str(text: &str) -> Result<Self, NotANat64Prefix> {
        let (address, bits) = text.split_once('/').ok_or(NotANat64Prefix)?;
        let bits: usize = bits.parse().map_err(|_| NotANat64Prefix)?;
        if !matches!(bits, 32 | 40 | 48 | 56 | 64 | 96) {
            return Err(NotANat64Prefix);
        }
        Ok(Self { address: address.parse().map_err(|_| NotANat64Prefix)?, bytes: bits / 8 })
    }
}

impl Nat64Prefix {
    /// The IPv4 address that `address` stands for, if it has this prefix.
    fn embedded(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        if octets[..self.bytes] != self.address.octets()[..self.bytes] {
            return None;
        }
        // The ninth byte is never a part of it.
        let mut rest = (self.bytes..16).filter(|at| *at != 8).map(|at| octets[at]);
        Some(Ipv4Addr::new(rest.next()?, rest.next()?, rest.next()?, rest.next()?))
    }
}

/// Which addresses may be dialled. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AddressRule {
    pub(crate) allow: Arc<[Network]>,
    pub(crate) nat64_prefix: Option<Nat64Prefix>,
}

impl AddressRule {
    /// Whether `address` may be dialled: a public one of another machine, or one that the operator allows.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        let meant = self.meant(address);
        self.allow.iter().any(|network| network.contains(meant)) || (is_public(meant) && !is_own(address))
    }

    /// The address that is reached by dialling `address`.
    fn meant(&self, address: IpAddr) -> IpAddr {
        match (address.to_canonical(), self.nat64_prefix) {
            (IpAddr::V6(v6), Some(prefix)) => prefix.embedded(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
            (canonical, _) => canonical,
        }
    }
}

/// Whether `address` belongs to this machine, which then would call itself: the system would send from the very same
/// address. No packet is sent to find out.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sends_from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, DISCARD_PORT))?;
        socket.local_addr()
    };
    sends_from().is_ok_and(|own| own.ip() == address)
}

/// Any port will do where nothing is sent.
const DISCARD_PORT: u16 = 9;

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
fn is_public(address: IpAddr) -> bool {
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

    #[test]
    fn under_the_prefix_of_a_network_the_address_inside_is_judged() {
        // The examples of RFC 6052, section 2.4.
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            let prefix: Nat64Prefix = prefix.parse().unwrap();
            assert_eq!(prefix.embedded(address.parse().unwrap()), Some(Ipv4Addr::new(192, 0, 2, 33)));
        }
        let rule = |prefix: Option<&str>| AddressRule {
            allow: Arc::new([]),
            nat64_prefix: prefix.map(|prefix| prefix.parse().unwrap()),
        };
        let address = |text: &str| text.parse().unwrap();
        assert!(!rule(None).admits(address("64:ff9b::8.8.8.8")));
        assert!(rule(Some("64:ff9b::/96")).admits(address("64:ff9b::8.8.8.8")));
        assert!(!rule(Some("64:ff9b::/96")).admits(address("64:ff9b::10.0.0.1")));
        assert!(!rule(Some("2001:4860:64::/96")).admits(address("2001:4860:64::169.254.169.254")));
        for wrong in ["", "64:ff9b::", "64:ff9b::/33", "64:ff9b::/128", "10.0.0.0/32", "x/96"] {
            assert!(wrong.parse::<Nat64Prefix>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_machine_knows_its_own_addresses() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(127, 77, 0, 1).into()), "sent to from another address");
    }

    #[test]
    fn what_the_operator_allows_may_be_dialled_however_it_is_written() {
        let rule = AddressRule { allow: Arc::new(["127.77.0.0/16".parse().unwrap()]), nat64_prefix: None };
        for allowed in ["127.77.0.1", "::ffff:127.77.0.1", "8.8.8.8"] {
            assert!(rule.admits(allowed.parse().unwrap()), "{allowed}");
        }
        for refused in ["127.0.0.1", "127.76.255.255", "::ffff:127.78.0.0", "::127.77.0.1"] {
            assert!(!rule.admits(refused.parse().unwrap()), "{refused}");
        }
    }
}
